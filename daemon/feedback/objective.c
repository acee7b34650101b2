/* The best threshold (curve.h). Called by job.threshold. */
#include "feedback/curve.h"

static const char *const names[] = {
#define OBJECTIVE_NAME(id, name) name,
    OBJECTIVES(OBJECTIVE_NAME)
#undef OBJECTIVE_NAME
};

const char *objective_name(enum objective_kind kind)
{
    return names[kind];
}

int objective_find(struct evd_str name)
{
    for (int i = 0; i < OBJECTIVE_COUNT; i++) {
        if (str_is(name, names[i]))
            return i;
    }
    return -1;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* At a threshold by which so many of each class count as class 1. */
static struct threshold threshold_at(const struct curve *curve, const struct curve_step *step)
{
    uint64_t hits = step->true_positives, misses = curve->positives - hits;
    uint64_t alarms = step->false_positives, rest = curve->negatives - alarms;
    double recall = ratio((double)hits, (double)curve->positives);

    return (struct threshold){
        .threshold = step->score,
        .balanced_accuracy = (recall + ratio((double)rest, (double)curve->negatives)) / 2,
        .true_positives = hits,
        .false_positives = alarms,
        .true_negatives = rest,
        .false_negatives = misses,
        .scores = {.precision = ratio((double)hits, (double)(hits + alarms)),
                   .recall = recall,
                   .f1 = ratio((double)(2 * hits), (double)(2 * hits + misses + alarms))},
    };
}

static double f_beta(const struct threshold *at, double beta)
{
    double square = beta * beta, hits = (1 + square) * (double)at->true_positives;

    return ratio(hits, hits + square * (double)at->false_negatives + (double)at->false_positives);
}

static double mean_cost(const struct threshold *at, const double cost[2][2])
{
    double samples = (double)(at->true_positives + at->false_positives + at->true_negatives +
                              at->false_negatives);

    return ((double)at->true_negatives * cost[0][0] + (double)at->false_positives * cost[0][1] +
            (double)at->false_negatives * cost[1][0] + (double)at->true_positives * cost[1][1]) /
           samples;
}

/* What is to be as great as possible and, of equal ones, what next. False: the threshold does not
 * do. */
static bool rate(const struct objective *objective, struct threshold *at, double rank[2])
{
    rank[1] = 0;
    switch (objective->kind) {
    case OBJECTIVE_F1:
        at->value = at->scores.f1;
        break;
    case OBJECTIVE_F_BETA:
        at->value = f_beta(at, objective->beta);
        break;
    case OBJECTIVE_BALANCED_ACCURACY:
        at->value = at->balanced_accuracy;
        break;
    case OBJECTIVE_COST:
        at->value = mean_cost(at, objective->cost);
        rank[0] = -at->value;
        return true;
    case OBJECTIVE_PRECISION_AT_RECALL:
        at->value = at->scores.precision;
        rank[0] = at->value;
        rank[1] = at->scores.recall;
        return at->scores.recall >= objective->least;
    default:
        at->value = at->scores.recall;
        rank[0] = at->value;
        rank[1] = at->scores.precision;
        return at->scores.precision >= objective->least;
    }
    rank[0] = at->value;
    return true;
}

/* The best so far. */
struct search {
    const struct objective *objective;
    double rank[2];
    bool found;
};

/* The walk comes from above: of equal ones the last is the lowest. */
static void consider(struct search *search, struct threshold at, struct threshold *out)
{
    double rank[2];

    if (!rate(search->objective, &at, rank))
        return;
    if (search->found &&
        (rank[0] < search->rank[0] || (rank[0] == search->rank[0] && rank[1] < search->rank[1])))
        return;
    *out = at;
    search->rank[0] = rank[0];
    search->rank[1] = rank[1];
    search->found = true;
}

bool objective_best(const struct curve *curve, const struct objective *objective,
                    struct threshold *out)
{
    struct curve_walk walk = curve_begin(curve);
    struct search search = {.objective = objective};
    struct curve_step step, none;

    for (bool first = true; curve_next(&walk, &step); first = false) {
        none = (struct curve_step){.score = step.score + 1};
        if (first)
            consider(&search, threshold_at(curve, &none), out);
        consider(&search, threshold_at(curve, &step), out);
    }
    return search.found;
}
