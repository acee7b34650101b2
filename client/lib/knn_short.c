/*
 * Classes of which there are too few samples for k neighbours of each: evd_neighbours_check of
 * evendraw_features.h, before a search, and for neighbours.c what a search reports.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"
#include "proto/limits.h"

static void note(evd_neighbours_result *result, uint32_t k, uint64_t members, uint32_t label)
{
    if (members == 0 || members > k)
        return;
    if (result->short_classes++ > 0 && members >= result->short_members)
        return;
    result->short_members = (uint32_t)members;
    result->short_class = label;
}

void knn_report_short(const struct knn_search *s, evd_neighbours_result *result)
{
    const evd_neighbours_options *o = s->options;

    if (s->points_of)
        note(result, s->k, s->points_of_count, o->of_class);
    for (uint64_t g = 0; !s->points_of && g < s->groups; g++)
        note(result, s->k, knn_group_size(s, g),
             o->scope == EVD_SCOPE_ALL ? EVD_NO_LABEL : (uint32_t)g);
}

/* counts[c]: samples of class c. */
static int count(const evd_neighbours_options *o, uint32_t *counts, evd_neighbours_result *result,
                 struct evd_error *err)
{
    for (uint64_t i = 0; i < o->n; i++) {
        const uint32_t label = o->labels ? o->labels[i] : 0;

        if (label == EVD_NO_LABEL)
            continue;
        if (label >= EVD_MAX_CLASSES)
            return error_set(err, EVD_E_LIMIT, "labels",
                             "row %" PRIu64 " has label %u: class numbers are below %u", i, label,
                             EVD_MAX_CLASSES);
        counts[label]++;
        result->samples++;
    }
    return EVD_OK;
}

static void compare(const evd_neighbours_options *o, const uint32_t *counts,
                    evd_neighbours_result *result)
{
    if (o->scope == EVD_SCOPE_ALL)
        note(result, o->k, result->samples, EVD_NO_LABEL);
    for (uint32_t c = 0; o->scope != EVD_SCOPE_ALL && c < EVD_MAX_CLASSES; c++) {
        if (o->scope == EVD_SCOPE_CLASS || c == o->of_class)
            note(result, o->k, counts[c], c);
    }
}

static int verdict(const evd_neighbours_options *o, const evd_neighbours_result *result,
                   struct evd_error *err)
{
    char whom[40] = "there are";

    if (result->short_classes == 0)
        return EVD_OK;
    if (result->short_class != EVD_NO_LABEL)
        snprintf(whom, sizeof(whom), "class %u has", result->short_class);
    return error_set(err, EVD_E_BAD_VALUE, "k",
                     "%s %u of the %" PRIu64 " samples that are needed for %u neighbours of each: "
                     "take a smaller k, or give more samples",
                     whom, result->short_members, (uint64_t)o->k + 1, o->k);
}

int evd_neighbours_check(const evd_neighbours_options *options, evd_neighbours_result *result)
{
    uint32_t *counts = calloc(EVD_MAX_CLASSES, sizeof(*counts));
    evd_neighbours_result unwanted;
    struct evd_error err = {0};
    int code;

    result = result ? result : &unwanted;
    memset(result, 0, sizeof(*result));
    result->short_class = EVD_NO_LABEL;
    if (!options)
        code = error_set(&err, EVD_E_USAGE, "", "options must be given");
    else if (!counts)
        code = error_set(&err, EVD_E_NO_MEMORY, "", "no memory to count the classes' samples");
    else if ((code = count(options, counts, result, &err)) == EVD_OK) {
        compare(options, counts, result);
        code = verdict(options, result, &err);
    }
    free(counts);
    memcpy(result->message, err.message, sizeof(result->message));
    return code;
}
