/* Smooths class weights towards what the classes need (adapt.h). Called by policy.c. */
#include "feedback/adapt.h"

#include <math.h>

static double bounded(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

bool adapt_weights(const struct adapt_rule *rule, const double *need, uint32_t classes,
                   double *weights)
{
    bool worth = false;

    for (uint32_t c = 0; c < classes; c++) {
        double before = weights[c], start = bounded(before, 1, rule->max_ratio), goal;

        weights[c] = start;
        if (!isnan(need[c])) {
            goal = 1 + (rule->max_ratio - 1) * bounded(need[c], 0, 1);
            weights[c] = rule->smoothing * start + (1 - rule->smoothing) * goal;
        }
        worth = worth || fabs(weights[c] - before) > ADAPT_LEAST_MOVE * before;
    }
    return worth;
}
