/* `evendraw load`, first pass: which classes are there, and what becomes of their samples. Called
 * by load.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"
#include "number.h"

#define MAX_CLASSES (1u << 20) /* the daemon's limit, told before everything was read */
#define FEW_SAMPLES 20u        /* as many may well be of a class each */

/* ---- reading ---- */

/* Would the daemon take it as a class's name? Said here, where the line is known. */
static bool check_label(struct source *source, const char *label, size_t len)
{
    json_t *text;

    if (len > EVD_NAME_LIMIT)
        return source_error(source,
                            "a label of %zu bytes, at most %d are allowed: is this the column (or "
                            "file) with the labels?",
                            len, EVD_NAME_LIMIT);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)label[i] < 0x20 || label[i] == 0x7f)
            return source_error(source, "a label with a control character: is this a text file?");
    }
    text = json_stringn(label, len);
    json_decref(text);
    return text || source_error(source, "a label that is not UTF-8: convert it with iconv");
}

static bool collect_group(struct load *load, const struct label *label)
{
    const struct source *source = load->source;
    const char *wrong = groups_add(&load->groups, source->group, source->group_len,
                                   (uint32_t)(label - load->labels.items));

    return !wrong || source_error(load->source, "%s", wrong);
}

static bool grow_met(struct load *load)
{
    uint64_t capacity = load->met_capacity ? load->met_capacity * 2 : 4096;
    uint32_t *larger = NULL;

    if (capacity <= LOAD_KEPT && !load->source->group_column)
        larger = realloc(load->met_labels, capacity * sizeof(*larger));
    if (!larger)
        return false;
    load->met_labels = larger;
    load->met_capacity = capacity;
    return true;
}

/* Keeps the label of the newest sample, so that it need not be read again: of all samples, or of
 * none. */
static void keep_met(struct load *load, uint32_t label)
{
    if (load->met_given_up)
        return;
    if (load->samples > load->met_capacity && !grow_met(load)) {
        free(load->met_labels);
        load->met_labels = NULL;
        load->met_given_up = true;
        return;
    }
    load->met_labels[load->samples - 1] = label;
}

static bool collect(void *arg, const char *text, size_t len)
{
    struct load *load = arg;
    struct label *label;

    load->samples++;
    if (len == 0) {
        load->empty++;
        keep_met(load, LOAD_NOTHING);
        return true;
    }
    label = labels_find(&load->labels, text, len);
    if (!label) {
        if (!check_label(load->source, text, len))
            return false;
        if (load->labels.count == MAX_CLASSES)
            return source_error(load->source,
                                "more than %u different labels: is this the column (or file) with "
                                "the labels? (Where each sample would be a class of its own, give "
                                "all one label and draw by uniform with repeats.)",
                                MAX_CLASSES);
        label = labels_add(&load->labels, text, len);
    }
    if (!label)
        return source_error(load->source, "no memory for its labels");
    label->count++;
    keep_met(load, (uint32_t)(label - load->labels.items));
    return !load->source->group_column || collect_group(load, label);
}

/* ---- names for the classes ---- */

/* Cuts text at every separator; names[] points into it. */
static bool split_names(struct load *load, char separator)
{
    size_t count = 1;
    char *at = load->names_text;

    for (const char *c = at; *c; c++)
        count += *c == separator;
    load->names = calloc(count, sizeof(*load->names));
    if (!load->names)
        return false;
    while (at) {
        char *end = strchr(at, separator);
        if (end)
            *end = '\0';
        at[strcspn(at, "\r")] = '\0';
        if (end || *at != '\0') /* what follows the last newline is no name */
            load->names[load->name_count++] = at;
        at = end ? end + 1 : NULL;
    }
    return true;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    ssize_t len = -1;

    if (file) {
        len = getdelim(&text, &size, '\0', file);
        fclose(file);
    }
    if (len < 0) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool read_names(struct load *load)
{
    const char *given = load->args->class_names;
    bool file = given && given[0] == '@';

    if (!given)
        return true;
    errno = 0;
    load->names_text = file ? read_text(given + 1) : strdup(given);
    if (load->names_text && split_names(load, file ? '\n' : ','))
        return true;
    cli_error(load->args->cli, EXIT_INPUT, "--class-names: %s: %s", given,
              errno ? strerror(errno) : "is empty");
    return false;
}

/* ---- labels that mean "none" ---- */

static void mark_unlabelled(struct load *load, const char *text)
{
    uint64_t samples = labels_exclude(&load->labels, text);

    load->marked += samples;
    if (samples > 0 && !load->marked_as)
        load->marked_as = text;
}

/* What --unlabelled says, and what pandas reads as missing. */
static void choose_unlabelled(struct load *load)
{
    static const char *const missing[] = {
        "NA",   "NaN",  "nan", "-NaN", "-nan",     "N/A",    "n/a",     "NULL",    "null",
        "None", "<NA>", "#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
    };
    const char *given = load->args->unlabelled;

    if (given && *given == '\0')
        return;
    if (given)
        mark_unlabelled(load, given);
    for (size_t i = 0; load->source->format->missing && !load->source->classes &&
                       i < sizeof(missing) / sizeof(missing[0]);
         i++) {
        if (!given || strcmp(given, missing[i]) != 0)
            mark_unlabelled(load, missing[i]);
    }
}

/* More labels that occur once than others: a column of names or numbers of the samples. */
static void warn_of_singles(struct load *load)
{
    uint64_t labelled = load->samples - load->empty - load->marked;
    uint32_t single = 0;

    for (uint32_t i = 0; i < load->labels.count; i++)
        single +=
            load->labels.items[i].number != LABELS_EXCLUDED && load->labels.items[i].count == 1;
    if (labelled > FEW_SAMPLES && single > labelled / 2)
        source_warn(load->source,
                    "%u of the %llu samples with a label are the only ones of their class: is this "
                    "the column (or file) with the labels?",
                    (unsigned)single, (unsigned long long)labelled);
}

/* ---- order, long tail, split ---- */

/* A header whose cell is a label too, or a number, is rather a sample. */
static void warn_of_header(struct load *load)
{
    const char *name = json_string_value(json_object_get(load->source->about, "column_name"));
    struct number number;

    if (name && (labels_find(&load->labels, name, strlen(name)) || number_parse(name, &number)))
        source_warn(load->source,
                    "the name of its column, '%s', looks like a label: if the file has no header, "
                    "load it again with --no-header, and give the column by its number",
                    name);
}

static bool number_classes(struct load *load)
{
    const struct label *odd = NULL;
    bool ok;

    load->source->line = 0;
    choose_unlabelled(load);
    if (load->samples == load->empty + load->marked)
        return source_error(load->source, "holds no label at all (%llu samples)",
                            (unsigned long long)load->samples);
    warn_of_singles(load);
    warn_of_header(load);
    if (load->source->classes)
        ok = labels_number(&load->labels, load->source->classes, load->source->class_count);
    else if (load->names)
        odd = labels_rename(&load->labels, load->names, load->name_count, &ok);
    else
        ok = labels_order(&load->labels, load->source->format->byte_order, &load->numeric);
    if (odd) {
        cli_error(load->args->cli, EXIT_INPUT,
                  "--class-names gives %u names, for the labels 0 to %u, but there is a label '%s'",
                  load->name_count, load->name_count - 1, odd->name);
        return false;
    }
    if (!ok)
        cli_error(load->args->cli, EXIT_INPUT, "no memory for %u classes", load->labels.count);
    return ok;
}

static bool plan_longtail(struct load *load, uint64_t *counts)
{
    if (load->args->long_tail == 0)
        return true;
    load->longtail = longtail_plan(counts, load->labels.class_count, load->args->long_tail);
    for (uint32_t c = 0; load->longtail && c < load->labels.class_count; c++)
        counts[c] = load->longtail[c].need;
    return load->longtail;
}

/* sums[p]: the samples that each part will have. */
static bool plan_split(struct load *load, const uint64_t *counts, uint64_t *sums)
{
    const struct split *split = &load->args->split;
    bool by_class = split_by_class(load->args);
    uint32_t lots = by_class ? load->labels.class_count : 1, numbers = split->count + 1;
    uint64_t all = 0;

    if (split->count == 0)
        return true;
    if (load->source->group_column)
        return groups_plan(&load->groups, &load->labels, split, sums);
    load->need = calloc(((size_t)lots + 1) * numbers, sizeof(*load->need));
    if (!load->need)
        return false;
    for (uint32_t c = 0; c < load->labels.class_count; c++) {
        if (by_class)
            split_counts(split, all, counts[c], &load->need[(size_t)c * numbers]);
        all += counts[c];
    }
    if (!by_class)
        split_counts(split, 0, all, load->need);
    for (size_t i = 0; i < (size_t)lots * numbers; i++) {
        if (i % numbers > 0)
            sums[i % numbers - 1] += load->need[i];
    }
    return true;
}

/* A dataset without any label would be refused at the very end. */
static bool check_split(struct load *load, const uint64_t *sums)
{
    const struct load_args *args = load->args;

    for (uint32_t p = 0; p < args->split.count; p++) {
        const char *advice = "give it a larger share";

        if (sums[p] > 0)
            continue;
        if (args->split.folds)
            advice = "take fewer folds";
        else if (args->stratify && !args->source.group_column)
            advice = "give it a larger share, or leave --stratify out";
        return source_error(load->source,
                            "is too small for this split: the part '%s' would be "
                            "empty (%s%s)",
                            args->split.parts[p].name,
                            args->source.group_column ? "a group is in one part only: " : "",
                            advice);
    }
    return true;
}

static bool plan(struct load *load)
{
    struct labels *labels = &load->labels;
    uint64_t *counts = calloc(labels->class_count + 1u, sizeof(*counts));
    uint64_t sums[SPLIT_PARTS + 1] = {0};
    bool ok = counts;

    for (uint32_t i = 0; ok && i < labels->count; i++) {
        if (labels->items[i].number != LABELS_EXCLUDED)
            counts[labels->items[i].number] += labels->items[i].count;
    }
    ok = ok && plan_longtail(load, counts) && plan_split(load, counts, sums);
    free(counts);
    if (!ok)
        cli_error(load->args->cli, EXIT_INPUT, "no memory for %u classes", labels->class_count);
    return ok && check_split(load, sums);
}

bool load_classes(struct load *load)
{
    return read_names(load) && source_read(load->source, collect, load) && number_classes(load) &&
           plan(load);
}
