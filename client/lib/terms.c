/*
 * The terms with which what is computed from features is attached: the functions of
 * evendraw_features.h that write them. By them evd_attachment_find (find.c) knows whether it is
 * there.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <evendraw_features.h>
#include <jansson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- neighbours ---- */

static json_t *hex_of(uint64_t digest)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, digest);
    return json_string(text);
}

/* Of which features. */
static json_t *terms_of(const evd_neighbours_options *options, uint64_t digest)
{
    return json_pack("{s:o, s:s, s:I, s:I, s:s}", "features", hex_of(digest), "type",
                     options->type == EVD_FEATURES_F64 ? "float64" : "float32", "d",
                     (json_int_t)options->d, "n", (json_int_t)options->n, "library", evd_version());
}

/* As text; NULL if it failed before. Releases them. */
static char *text_of(json_t *terms, int failed)
{
    char *text = failed ? NULL : json_dumps(terms, JSON_COMPACT);

    json_decref(terms);
    return text;
}

/* How near to all neighbours it comes: what was found, or before the search what is wanted. */
static int set_recall(json_t *terms, const evd_neighbours_options *options,
                      const evd_neighbours_result *result)
{
    const bool exact = result ? result->approximate == 0 : options->recall == 0;
    int failed = json_object_set_new(terms, "exact", json_boolean(exact));

    if (exact)
        return failed;
    failed |=
        json_object_set_new(terms, "recall", json_real(result ? result->recall : options->recall));
    if (result) {
        failed |= json_object_set_new(terms, "recall_low", json_real(result->recall_low));
        failed |= json_object_set_new(terms, "recall_high", json_real(result->recall_high));
    }
    return failed;
}

char *evd_neighbours_terms(const evd_neighbours_options *options,
                           const evd_neighbours_result *result)
{
    json_t *terms = terms_of(options, result ? result->features : evd_features_digest(options));

    return text_of(terms, set_recall(terms, options, result));
}

/* ---- selections ---- */

/* What an attachment's terms have room for; longer lists stand there by digest. */
#define LIST_MOST 64u

static uint64_t hash(const void *numbers, size_t n, size_t size)
{
    return numbers ? XXH3_64bits(numbers, n * size) : 0;
}

/* "3 7", with counts "3:50 7:20"; of many "120 classes, 0123456789abcdef". */
static json_t *listed_targets(const evd_select_options *o)
{
    char text[LIST_MOST * 32] = "";
    size_t len = 0;

    if (o->target_count > LIST_MOST) {
        snprintf(text, sizeof(text), "%u classes, %016" PRIx64, o->target_count,
                 hash(o->target_list, o->target_count, sizeof(*o->target_list)) ^
                     hash(o->target_counts, o->target_count, sizeof(*o->target_counts)));
        return json_string(text);
    }
    for (uint32_t i = 0; i < o->target_count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i > 0 ? " " : "",
                                o->target_list[i]);
        if (o->target_counts)
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, ":%" PRIu64, o->target_counts[i]);
    }
    return json_string(text);
}

static json_t *targets(const evd_select_options *o)
{
    return o->targets == EVD_TARGETS_LIST ? listed_targets(o)
                                          : json_string(evd_select_word("targets", o->targets));
}

/* The members that say how, as far as the method looks at them. */
static int set_members(json_t *terms, const evd_select_options *o)
{
    const struct {
        const char *name;
        json_t *value;
    } members[] = {
        {"metric", json_string(evd_select_word("metric", o->metric))},
        {"k", json_integer(o->k)},
        {"vote", json_string(evd_select_word("vote", o->vote))},
        {"max_iterations", json_integer(o->max_iterations)},
        {"allow_minority", json_boolean(o->allow_minority)},
        {"candidates", json_integer(o->candidates)},
        {"threshold", json_real(o->threshold)},
        {"first", o->first ? hex_of(hash(o->first, o->first_count, sizeof(*o->first))) : NULL},
        {"seeds", o->first ? NULL : json_integer(o->seeds)},
        {"seed", o->first ? NULL : json_integer((json_int_t)o->seed)},
        {"probabilities", hex_of(hash(o->probabilities, o->n, sizeof(*o->probabilities)))},
    };
    int failed = 0;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (members[i].value && evd_select_takes(o->method, members[i].name))
            failed |= json_object_set(terms, members[i].name, members[i].value);
        json_decref(members[i].value);
    }
    return failed;
}

char *evd_select_terms(const evd_select_options *options)
{
    evd_neighbours_options features = EVD_NEIGHBOURS_OPTIONS_INIT;
    const char *method = evd_select_word("method", options->method);
    json_t *terms;
    int failed;

    features.features = options->features;
    features.n = options->n;
    features.d = options->d;
    features.type = options->type;
    terms = evd_select_takes(options->method, "features")
                ? terms_of(&features, evd_features_digest(&features))
                : json_pack("{s:I, s:s}", "n", (json_int_t)options->n, "library", evd_version());
    failed = json_object_set_new(terms, "method", json_string(method ? method : ""));
    failed |= json_object_set_new(terms, "targets", targets(options));
    failed |= set_members(terms, options);
    return text_of(terms, failed);
}
