/*
 * Which classes there are, which of them may lose samples, and how many they keep: the words and
 * lists of imbalanced-learn's sampling_strategy for under-sampling and cleaning. Called by
 * select.c, and by select_edit.c each time that the counts have changed.
 */
#include <string.h>
#include "client/lib/select.h"

int select_count(struct select *s)
{
    const uint32_t *labels = s->options->labels;
    uint64_t present = 0;
    uint32_t most;

    memset(s->members, 0, s->classes * sizeof(*s->members));
    for (uint32_t row = 0; row < s->n; row++) {
        if (labels[row] == EVD_NO_LABEL)
            continue;
        if (labels[row] >= s->classes)
            return error_set(&s->rows.error, EVD_E_LIMIT, "labels",
                             "row %u has label %u, and there are %u classes: labels are below "
                             "that, or EVD_NO_LABEL",
                             row, labels[row], s->classes);
        s->members[labels[row]]++;
        s->result->samples++;
    }
    for (uint32_t c = 0; c < s->classes; c++)
        present += s->members[c] > 0;
    if (present == 0)
        return error_set(&s->rows.error, EVD_E_NOT_FOUND, "labels",
                         "no sample has a label, so none can be selected by its class");
    select_extremes(s, s->members, &s->smallest, &most);
    s->result->smallest = s->smallest;
    if (present == 1)
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "labels",
                         "all %llu samples are of %s: a selection compares classes with "
                         "each other, so it needs two at least",
                         (unsigned long long)s->result->samples, select_class(s, s->smallest));
    return EVD_OK;
}

void select_extremes(const struct select *s, const uint64_t *counts, uint32_t *fewest,
                     uint32_t *most)
{
    *fewest = *most = SELECT_NO_CLASS;
    for (uint32_t c = 0; c < s->classes; c++) {
        if (counts[c] == 0)
            continue;
        if (*fewest == SELECT_NO_CLASS || counts[c] < counts[*fewest])
            *fewest = c;
        if (*most == SELECT_NO_CLASS || counts[c] > counts[*most])
            *most = c;
    }
}

static int target_listed(struct select *s, uint32_t i)
{
    const evd_select_options *o = s->options;
    const uint32_t c = o->target_list[i];

    if (c >= s->classes || s->members[c] == 0)
        return error_set(&s->rows.error, EVD_E_NOT_FOUND, "target_list",
                         "%s is to lose samples, and has none: take it from the list",
                         select_class(s, c));
    if (s->target[c])
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "target_list", "%s is in the list twice",
                         select_class(s, c));
    s->target[c] = 1;
    if (o->target_counts == NULL)
        return EVD_OK;
    if (o->target_counts[i] > s->members[c])
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "target_counts",
                         "%llu samples of %s are to be kept, and it has %llu: a selection "
                         "makes no samples",
                         (unsigned long long)o->target_counts[i], select_class(s, c),
                         (unsigned long long)s->members[c]);
    s->wanted[c] = o->target_counts[i];
    return EVD_OK;
}

static int targets_listed(struct select *s)
{
    const evd_select_options *o = s->options;

    if (o->target_count == 0 || o->target_list == NULL)
        return error_set(&s->rows.error, EVD_E_USAGE, "target_list",
                         "EVD_TARGETS_LIST needs a list of one class at least");
    for (uint32_t i = 0; i < o->target_count; i++)
        if (target_listed(s, i) != EVD_OK)
            return s->rows.error.code;
    return EVD_OK;
}

int select_targets(struct select *s, const uint64_t *counts)
{
    const int word = s->options->targets;
    uint32_t fewest, most;

    select_extremes(s, counts, &fewest, &most);
    memset(s->target, 0, s->classes);
    for (uint32_t c = 0; c < s->classes; c++)
        s->wanted[c] = fewest == SELECT_NO_CLASS ? 0 : counts[fewest];
    if (word == EVD_TARGETS_LIST)
        return targets_listed(s);
    for (uint32_t c = 0; c < s->classes; c++)
        s->target[c] = counts[c] > 0 && (word == EVD_TARGETS_ALL ||
                                         (word == EVD_TARGETS_NOT_MINORITY && c != fewest) ||
                                         (word == EVD_TARGETS_NOT_MAJORITY && c != most) ||
                                         (word == EVD_TARGETS_MAJORITY && c == most));
    return EVD_OK;
}
