/*
 * evd_neighbours of evendraw_features.h: what is asked for is checked, rows are put into groups,
 * each group goes through the two passes of knn.h, and what came of it is reported.
 */
#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/lib/knn.h"
#include "proto/limits.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- what is asked for ---- */

static int check_limits(struct knn_search *s, const evd_neighbours_options *o)
{
    if (o->n == 0 || o->n > EVD_NEIGHBOURS_MAX_ROWS)
        return error_set(&s->error, EVD_E_LIMIT, "n", "%llu rows: from 1 to %u can be searched",
                         (unsigned long long)o->n, EVD_NEIGHBOURS_MAX_ROWS);
    if (o->d == 0 || o->d > EVD_NEIGHBOURS_MAX_D)
        return error_set(&s->error, EVD_E_LIMIT, "d",
                         "%u columns: from 1 to %u can be searched; reduce them first, by "
                         "principal components for instance",
                         o->d, EVD_NEIGHBOURS_MAX_D);
    if (o->k == 0 || o->k > EVD_NEIGHBOURS_MAX_K)
        return error_set(&s->error, EVD_E_LIMIT, "k", "k is %u: it can be from 1 to %u", o->k,
                         EVD_NEIGHBOURS_MAX_K);
    if (o->threads > KNN_MAX_THREADS)
        return error_set(&s->error, EVD_E_LIMIT, "threads", "%u threads: at most %d can be used",
                         o->threads, KNN_MAX_THREADS);
    if (o->scope == EVD_SCOPE_OF_CLASS && o->of_class >= EVD_MAX_CLASSES)
        return error_set(&s->error, EVD_E_LIMIT, "of_class", "class %u: they are below %u",
                         o->of_class, EVD_MAX_CLASSES);
    for (uint64_t i = 0; o->labels && i < o->n; i++)
        if (o->labels[i] >= EVD_MAX_CLASSES && o->labels[i] != EVD_NO_LABEL)
            return error_set(&s->error, EVD_E_LIMIT, "labels",
                             "row %llu has label %u: class numbers are below %u",
                             (unsigned long long)i, o->labels[i], EVD_MAX_CLASSES);
    return EVD_OK;
}

static int check_options(struct knn_search *s)
{
    const evd_neighbours_options *o = s->options;

    if (!o || !o->features || !s->index || !s->distance)
        return error_set(&s->error, EVD_E_USAGE, "",
                         "options, features, index and distance must be given");
    if ((o->type != EVD_FEATURES_F32 && o->type != EVD_FEATURES_F64) ||
        (o->metric != EVD_METRIC_EUCLIDEAN && o->metric != EVD_METRIC_COSINE) ||
        o->scope < EVD_SCOPE_ALL || o->scope > EVD_SCOPE_OF_CLASS)
        return error_set(&s->error, EVD_E_USAGE, "",
                         "type, metric or scope is not one of EVD_FEATURES_*, EVD_METRIC_*, "
                         "EVD_SCOPE_*");
    if (!(o->recall >= 0 && o->recall <= 1))
        return error_set(&s->error, EVD_E_USAGE, "recall",
                         "recall is %g: it is a share, from 0 (exact) to 1", o->recall);
    if (o->partial && !*o->partial)
        return error_set(&s->error, EVD_E_USAGE, "",
                         "partial is \"\": name a file, or give NULL for none");
    if (check_limits(s, o) != EVD_OK)
        return s->error.code;
    s->features = o->features;
    s->n = (uint32_t)o->n;
    s->d = o->d;
    s->k = o->k;
    s->kept = o->k + KNN_SPARE;
    s->wide = o->type == EVD_FEATURES_F64;
    s->threads = knn_threads(o->threads);
    return EVD_OK;
}

/* ---- groups ---- */

static uint32_t label_of(const struct knn_search *s, uint32_t row)
{
    return s->options->labels ? s->options->labels[row] : 0;
}

/* The group of a row, or EVD_NO_LABEL. */
static uint32_t group_of(const struct knn_search *s, uint32_t row)
{
    const uint32_t label = label_of(s, row);

    return label == EVD_NO_LABEL || s->options->scope == EVD_SCOPE_CLASS ? label : 0;
}

static void order_rows(struct knn_search *s)
{
    memset(s->starts, 0, (s->groups + 2) * sizeof(*s->starts));
    for (uint32_t row = 0; row < s->n; row++)
        if (group_of(s, row) != EVD_NO_LABEL)
            s->starts[group_of(s, row) + 2]++;
    for (uint64_t g = 2; g < s->groups + 2; g++)
        s->starts[g] += s->starts[g - 1];
    /* One place ahead: each start has gone on to the next one in the end. */
    for (uint32_t row = 0; row < s->n; row++)
        if (group_of(s, row) != EVD_NO_LABEL)
            s->order[s->starts[group_of(s, row) + 1]++] = row;
}

static int choose_points(struct knn_search *s)
{
    const uint32_t wanted = s->options->of_class, queries = (uint32_t)s->starts[1];

    s->points_of = knn_alloc(s, queries, sizeof(uint32_t));
    s->self = knn_alloc(s, queries, sizeof(uint32_t));
    if (!s->points_of || !s->self)
        return s->error.code;
    for (uint32_t i = 0; i < queries; i++) {
        s->self[i] = KNN_NONE;
        if (label_of(s, s->order[i]) == wanted) {
            s->self[i] = s->points_of_count;
            s->points_of[s->points_of_count++] = s->order[i];
        }
    }
    if (s->points_of_count == 0)
        return error_set(&s->error, EVD_E_NOT_FOUND, "of_class",
                         "no sample is of class %u, so nothing is near to any", wanted);
    return EVD_OK;
}

static int make_groups(struct knn_search *s)
{
    s->groups = 1;
    for (uint32_t row = 0; s->options->scope == EVD_SCOPE_CLASS && row < s->n; row++)
        if (group_of(s, row) != EVD_NO_LABEL && group_of(s, row) >= s->groups)
            s->groups = group_of(s, row) + 1;
    s->order = knn_alloc(s, s->n, sizeof(uint32_t));
    s->starts = knn_alloc(s, s->groups + 2, sizeof(uint64_t));
    if (!s->order || !s->starts)
        return s->error.code;
    order_rows(s);
    if (s->starts[s->groups] == 0)
        return error_set(&s->error, EVD_E_NOT_FOUND, "labels",
                         "no sample has a label, so none has neighbours");
    return s->options->scope == EVD_SCOPE_OF_CLASS ? choose_points(s) : EVD_OK;
}

/* ---- the search ---- */

static void group_begin(struct knn_search *s, uint64_t group)
{
    s->queries = s->order + s->starts[group];
    s->query_count = knn_group_size(s, group);
    s->points = s->points_of ? s->points_of : s->queries;
    s->point_count = s->points_of ? s->points_of_count : s->query_count;
    s->small = knn_group_small(s, group);
    s->packed.blocks = (uint32_t)(knn_padded(s->point_count, KNN_BLOCK) / KNN_BLOCK);
    s->packed_queries.blocks = (uint32_t)(knn_padded(s->query_count, KNN_BLOCK) / KNN_BLOCK);
    s->doubtful_count = s->small ? s->query_count : 0;
    s->lists.count = 0;
}

/* Pairs that a group's first pass looks at; of a small group its only one. If it is to be searched
 * approximately only those of the preparations are known. */
static uint64_t group_pairs(struct knn_search *s, uint64_t group)
{
    group_begin(s, group);
    if (knn_group_approximate(s, group))
        return knn_lists_pairs(s) + knn_recall_pairs(s);
    return s->small ? knn_exact_units(s) * KNN_BLOCK * s->point_count
                    : knn_tile_units(s) * KNN_BLOCK * KNN_BLOCK;
}

/* Lists that a file has are read first: whoever cancels while rows are packed keeps them. */
static int lists_begin(struct knn_search *s)
{
    const bool resumed = s->resumed >= 0;

    if (resumed && knn_state_candidates(s) != EVD_OK)
        return s->error.code;
    knn_lists_begin(s, resumed);
    return EVD_OK;
}

static int run_first_pass(struct knn_search *s, uint64_t units, uint64_t unit_cost,
                          void (*unit)(struct knn_worker *worker, uint64_t unit))
{
    if (s->place.stage == KNN_TILES) {
        const int code = knn_run(s, units, unit_cost, unit);

        if (code != EVD_OK)
            return code;
        s->place.stage = KNN_EXACT;
        s->place.unit = 0;
    } else
        s->done += units * unit_cost;
    return knn_refine(s) ? EVD_OK : knn_end_cancelled(s);
}

static int exact_passes(struct knn_search *s)
{
    int code;

    if (!knn_pack(s, s->points, s->point_count, &s->packed) ||
        (s->self && !knn_pack(s, s->queries, s->query_count, &s->packed_queries)))
        return knn_end_cancelled(s);
    code = run_first_pass(s, knn_tile_units(s), (uint64_t)KNN_BLOCK * KNN_BLOCK, knn_tile_unit);
    if (code != EVD_OK)
        return code;
    s->total += knn_exact_units(s) * KNN_BLOCK * s->point_count;
    return knn_run(s, knn_exact_units(s), (uint64_t)KNN_BLOCK * s->point_count, knn_exact_unit);
}

static int approximate_passes(struct knn_search *s, uint64_t points)
{
    const uint64_t cost = KNN_BLOCK * points;
    int code;

    s->total += knn_probe_units(s) * cost;
    if (!knn_lists_pack(s))
        return knn_end_cancelled(s);
    code = run_first_pass(s, knn_probe_units(s), cost, knn_probe_unit);
    if (code != EVD_OK)
        return code;
    s->total += knn_exact_units(s) * cost;
    return knn_run(s, knn_exact_units(s), cost, knn_probe_exact_unit);
}

/* The preparations are made once more by whoever goes on from a file: they take little time, and
 * come out the same. */
static int approximate_group(struct knn_search *s)
{
    uint64_t points = 0;
    int code = knn_lists_make(s);

    if (code == EVD_OK)
        code = knn_recall_measure(s, &points);
    if (code != EVD_OK)
        return code;
    if (s->lists.count > 0)
        return approximate_passes(s, points);
    s->total += knn_tile_units(s) * KNN_BLOCK * KNN_BLOCK;
    return exact_passes(s);
}

static int small_group(struct knn_search *s)
{
    s->place.stage = KNN_EXACT;
    for (uint32_t i = 0; i < s->query_count; i++) {
        s->doubtful[i] = i;
        s->bound[i] = INFINITY;
    }
    return knn_run(s, knn_exact_units(s), (uint64_t)KNN_BLOCK * s->point_count, knn_exact_unit);
}

static int search_group(struct knn_search *s, uint64_t group)
{
    int code;

    group_begin(s, group);
    s->group_tally = (struct knn_tally){0};
    if (s->query_count == 0)
        return EVD_OK;
    if (!s->small && lists_begin(s) != EVD_OK)
        return s->error.code;
    if (!knn_centre(s))
        return knn_end_cancelled(s);
    if (s->small)
        return small_group(s);
    code = knn_group_approximate(s, group) ? approximate_group(s) : exact_passes(s);
    if (code != EVD_OK)
        return code;
    s->doubtful_total += s->doubtful_count;
    s->tally.queries += s->group_tally.queries;
    s->tally.missed += s->group_tally.missed;
    s->tally.spread += s->group_tally.spread;
    return EVD_OK;
}

static int search_groups(struct knn_search *s)
{
    for (uint64_t g = 0; g < s->groups; g++)
        s->total += group_pairs(s, g);
    for (uint64_t g = 0; g < s->place.group; g++)
        s->done += group_pairs(s, g);
    s->ticked = s->saved = knn_now();
    while (s->place.group < s->groups) {
        const int code = search_group(s, s->place.group);

        if (code != EVD_OK)
            return code;
        s->place = (struct knn_place){s->place.group + 1, KNN_TILES, 0};
        if (s->resumed >= 0)
            close(s->resumed);
        s->resumed = -1;
    }
    if (s->options->progress)
        s->options->progress(s->options->arg, s->total, s->total);
    return EVD_OK;
}

/* A file of another search must not be gone on from. */
static uint64_t digest_terms(const struct knn_search *s)
{
    const evd_neighbours_options *o = s->options;
    uint64_t recall;

    memcpy(&recall, &o->recall, sizeof(recall));

    const uint64_t terms[] = {
        o->n,
        o->d,
        o->k,
        (uint64_t)o->type,
        (uint64_t)o->metric,
        (uint64_t)o->scope,
        o->scope == EVD_SCOPE_OF_CLASS ? o->of_class : 0,
        s->features_hash,
        o->labels ? XXH3_64bits(o->labels, o->n * sizeof(*o->labels)) : 0,
        KNN_BLOCK,
        KNN_SPARE,
        KNN_SMALL,
        recall,
        o->recall > 0 ? knn_approximate_from : 0,
    };

    return XXH3_64bits(terms, sizeof(terms));
}

/* What is found is of these features, or of none. */
static int check_unchanged(struct knn_search *s)
{
    if (evd_features_digest(s->options) == s->features_hash)
        return EVD_OK;
    return error_set(&s->error, EVD_E_CONFLICT, "features",
                     "the features were changed while they were searched: leave them alone, and "
                     "search again");
}

static int search(struct knn_search *s, evd_neighbours_result *result)
{
    int code;

    if (check_options(s) != EVD_OK || make_groups(s) != EVD_OK || knn_reserve(s, result) != EVD_OK)
        return s->error.code;
    code = knn_check(s);
    if (code != EVD_OK)
        return code;
    result->samples = s->starts[s->groups];
    result->features = s->features_hash;
    knn_report_short(s, result);
    for (size_t i = 0; i < (size_t)s->n * s->k; i++) {
        s->index[i] = EVD_NO_NEIGHBOUR;
        s->distance[i] = INFINITY;
    }
    s->path = knn_path();
    s->terms = digest_terms(s);
    if (s->options->partial && knn_state_open(s) != EVD_OK)
        return s->error.code;
    result->resumed = s->resumed >= 0;
    code = search_groups(s);
    result->doubtful = s->doubtful_total;
    knn_recall_report(s, result);
    if (code == EVD_OK && s->options->partial)
        knn_state_remove(s);
    return code == EVD_OK ? check_unchanged(s) : code;
}

int evd_neighbours(const evd_neighbours_options *options, uint32_t *index, float *distance,
                   evd_neighbours_result *result)
{
    struct knn_search s = {.options = options, .index = index, .distance = distance, .resumed = -1};
    evd_neighbours_result unwanted;
    fenv_t environment;
    int code;

    if (result == NULL)
        result = &unwanted;
    memset(result, 0, sizeof(*result));
    result->short_class = EVD_NO_LABEL;
    /* Doubles are rounded as everywhere, whatever the caller's thread is set to (some programs have
     * small numbers taken for 0); threads begin as this one. */
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    code = search(&s, result);
    knn_state_close(&s);
    knn_release(&s);
    fesetenv(&environment);
    if (code > 0)
        memcpy(result->message, s.error.message, sizeof(result->message));
    return code;
}

uint64_t evd_features_digest(const evd_neighbours_options *options)
{
    const size_t number = options->type == EVD_FEATURES_F64 ? sizeof(double) : sizeof(float);

    return XXH3_64bits(options->features, options->n * options->d * number);
}
