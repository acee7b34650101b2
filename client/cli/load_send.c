/* `evendraw load`, after the first pass: labels and weights go to the daemon. Called by load.c. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/folds.h"
#include "load.h"

#define BUFFER_LABELS 65536u

static bool failed(struct load *load, int code)
{
    if (code != EVD_OK)
        cli_failed(load->args->cli, code);
    return code != EVD_OK;
}

static bool no_memory(struct load *load)
{
    cli_error(load->args->cli, EXIT_INPUT, "no memory for a buffer");
    return false;
}

static bool changed(struct source *source)
{
    return source_error(source, "it changed while it was read: load it again");
}

/* ---- parts ---- */

static bool begin_part(struct load *load, uint32_t d)
{
    const struct load_args *args = load->args;
    struct load_part *part = &load->parts[d];

    part->name = split_name(&args->split, args->name, d);
    part->buffer = malloc(BUFFER_LABELS * sizeof(*part->buffer));
    if (!part->name || !part->buffer)
        return no_memory(load);
    return !failed(load, evd_dataset_begin(args->cli->client, part->name, load->labels.classes,
                                           load->labels.class_count, &part->upload));
}

static bool begin_parts(struct load *load)
{
    load->part_count = split_datasets(&load->args->split);
    assert(load->part_count <= SPLIT_DATASETS);
    load->met = calloc(load->labels.class_count + 1u, sizeof(*load->met));
    if (!load->met)
        return no_memory(load);
    for (uint32_t p = 0; p < load->part_count; p++) {
        if (!begin_part(load, p))
            return false;
    }
    return true;
}

/* ---- labels ---- */

static bool send_buffers(struct load *load)
{
    for (uint32_t p = 0; p < load->part_count; p++) {
        const struct load_part *part = &load->parts[p];
        if (failed(load, evd_dataset_append(part->upload, part->buffer, load->buffered)))
            return false;
    }
    load->buffered = 0;
    return true;
}

/* The part that sample i, of class `number`, belongs to; -1: it loses its label. False if its group
 * is new. */
static bool part_of(struct load *load, uint32_t number, uint64_t i, int *part)
{
    const struct load_args *args = load->args;
    const struct source *source = load->source;
    size_t lot = split_by_class(args) ? number : 0;

    if (source->group_column)
        return groups_part(&load->groups, source->group, source->group_len, part);
    *part = 0;
    if (load->longtail && !longtail_keep(&load->longtail[number], args->seed, i))
        *part = -1;
    else if (load->need)
        *part = folds_pick(&load->need[lot * (args->split.count + 1)], args->split.count,
                           args->seed, i);
    return true;
}

static void count(struct load *load, uint32_t d, uint32_t number)
{
    struct load_part *part = &load->parts[d];

    assert(number < load->labels.class_count);
    part->labelled++;
    part->classes += !(load->met[number] >> d & 1);
    load->met[number] |= UINT64_C(1) << d;
}

/* number: of the class; LABELS_EXCLUDED if the sample has none. */
static bool send_sample(struct load *load, uint32_t number)
{
    int mine = -1;

    if (number != LABELS_EXCLUDED && !part_of(load, number, load->samples, &mine))
        return changed(load->source);
    assert(load->buffered < BUFFER_LABELS);
    for (uint32_t d = 0; d < load->part_count; d++) {
        bool has = split_has(&load->args->split, d, mine);
        load->parts[d].buffer[load->buffered] = has ? number : EVD_NO_LABEL;
        if (has)
            count(load, d, number);
    }
    load->kept += mine >= 0;
    load->samples++;
    load->buffered++;
    return load->buffered < BUFFER_LABELS || send_buffers(load);
}

static bool send_read(void *arg, const char *text, size_t len)
{
    struct load *load = arg;
    struct label *label = len > 0 ? labels_find(&load->labels, text, len) : NULL;

    if (len > 0 && (!label || label->count-- == 0))
        return changed(load->source);
    return send_sample(load, label ? label->number : LABELS_EXCLUDED);
}

static bool send_kept(struct load *load, uint64_t samples)
{
    for (uint64_t i = 0; i < samples; i++) {
        uint32_t met = load->met_labels[i];
        if (!send_sample(load,
                         met == LOAD_NOTHING ? LABELS_EXCLUDED : load->labels.items[met].number))
            return false;
    }
    return true;
}

static bool send_labels(struct load *load)
{
    uint64_t expected = load->samples;

    load->samples = 0;
    load->source->doing = "sending";
    if (load->met_labels ? !send_kept(load, expected) : !source_read(load->source, send_read, load))
        return false;
    return send_buffers(load) && (load->samples == expected || changed(load->source));
}

/* ---- weights ---- */

struct weights {
    struct load *load;
    struct source *source;
    const char *name;
    double *buffer;
    uint32_t buffered;
    uint64_t samples;
};

static bool send_weight_buffer(struct weights *weights)
{
    for (uint32_t p = 0; p < weights->load->part_count; p++) {
        evd_upload *upload = weights->load->parts[p].upload;
        if (failed(weights->load,
                   evd_dataset_weights(upload, weights->name, weights->buffer, weights->buffered)))
            return false;
    }
    weights->buffered = 0;
    return true;
}

static bool send_weight(void *arg, double value)
{
    struct weights *weights = arg;

    if (!(value >= 0 && isfinite(value)))
        return source_error(weights->source,
                            "sample %llu has the weight %g: weights are finite and not negative "
                            "(0: never drawn)",
                            (unsigned long long)weights->samples, value);
    weights->samples++;
    weights->buffer[weights->buffered++] = value;
    return weights->buffered < BUFFER_LABELS || send_weight_buffer(weights);
}

static bool read_weights(struct weights *weights)
{
    weights->buffer = malloc(BUFFER_LABELS * sizeof(*weights->buffer));
    if (!weights->buffer)
        return no_memory(weights->load);
    if (!source_read_numbers(weights->source, send_weight, weights) || !send_weight_buffer(weights))
        return false;
    weights->source->line = 0;
    return weights->samples == weights->load->samples ||
           source_error(weights->source, "holds %llu weights for %llu samples: each needs one",
                        (unsigned long long)weights->samples,
                        (unsigned long long)weights->load->samples);
}

static bool send_weights(struct load *load, const struct load_weights *column)
{
    struct source own = {
        .cli = load->args->cli, .path = column->path, .column = column->column, .doing = "sending"};
    struct source *source = column->path ? &own : load->source;
    struct weights weights = {.load = load, .source = source, .name = column->name};
    const char *labels_column = source->column, *one_hot = source->one_hot;
    bool ok;

    if (!column->path && !source->format->columns)
        return source_error(source, "has no columns: --weight-column is for CSV and TSV, --weights "
                                    "NAME=FILE for a file of its own");
    if (column->path && !source_open(source))
        return false;
    source->column = column->column;
    source->one_hot = NULL;
    ok = read_weights(&weights);
    source->column = labels_column;
    source->one_hot = one_hot;
    free(weights.buffer);
    if (column->path)
        source_close(source);
    return ok;
}

/* ---- the commit ---- */

static bool commit_part(struct load *load, struct load_part *part)
{
    char *info = NULL;
    int code = evd_dataset_commit(part->upload, &info);

    part->upload = NULL;
    if (failed(load, code))
        return false;
    part->info = json_loads(info, 0, NULL);
    evd_free(info);
    return true;
}

/* The parts that are already there go again: after a split that failed nothing is left. */
static void take_back(struct load *load)
{
    struct cli *cli = load->args->cli;
    int status = cli->status;

    for (uint32_t p = 0; p < load->part_count; p++) {
        const struct load_part *part = &load->parts[p];
        json_t *answer;

        if (!part->info)
            continue;
        if (evd_fd(cli->client) < 0) { /* the connection was lost: begin a new one */
            evd_close(cli->client);
            cli->client = NULL;
        }
        answer = cli_call(cli, "dataset.drop",
                          json_pack("{s:s, s:I}", "dataset", part->name, "version",
                                    (json_int_t)field_u64(part->info, "version")));
        if (!answer)
            cli_error(cli, status,
                      "%s, version %u, is complete and could not be removed again: `evendraw "
                      "dataset rm` does",
                      part->name, (unsigned)field_u64(part->info, "version"));
        json_decref(answer);
    }
    cli->status = status;
}

bool load_send(struct load *load)
{
    const struct load_args *args = load->args;

    if (!begin_parts(load) || !send_labels(load))
        return false;
    for (uint32_t i = 0; i < args->weights_count; i++) {
        if (!send_weights(load, &args->weights[i]))
            return false;
    }
    for (uint32_t p = 0; p < load->part_count; p++) {
        if (!commit_part(load, &load->parts[p])) {
            load_abort(load); /* before the connection may be closed */
            take_back(load);
            return false;
        }
    }
    return true;
}

void load_abort(struct load *load)
{
    for (uint32_t p = 0; p < load->part_count; p++) {
        evd_dataset_abort(load->parts[p].upload);
        load->parts[p].upload = NULL;
    }
}
