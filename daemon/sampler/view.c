/* The part of a class index that a strategy's `from` keeps (view.h). */
#include "sampler/view.h"

#include <stdio.h>

/* Samples between two looks at whether anybody still waits. */
#define SLICE (1ull << 18)

/* What `from` says. */
struct keep {
    struct plan_from from;
    uint64_t fold;
    bool only; /* that fold, or all but it */
};

static inline bool keeps(const struct keep *keep, uint64_t sample)
{
    if (keep->from.kept)
        return keep->from.kept[sample / 64] >> sample % 64 & 1;
    return (keep->from.folds[sample] == keep->fold) == keep->only;
}

static inline uint64_t sample_of(const struct class_index *index, uint32_t c, uint64_t place)
{
    if (index->member32)
        return index->member32[place];
    if (index->member64)
        return index->member64[place];
    return index->first[c] + (place - index->start[c]);
}

/* ---- what is asked for ---- */

#define FROM_WORDS 160

static const char *from_words(const struct strategy *s, char words[FROM_WORDS])
{
    bool only = strategy_given(s, FROM_ONLY);
    if (strategy_given(s, FROM_SELECTION))
        snprintf(words, FROM_WORDS, "selection \"%.100s\"", s->values[FROM_SELECTION].text);
    else
        snprintf(words, FROM_WORDS, "%s %.0f of folds \"%.100s\"", only ? "fold" : "all but fold",
                 strategy_number(s, only ? FROM_ONLY : FROM_WITHOUT), s->values[FROM_FOLDS].text);
    return words;
}

static int read_folds(const struct plan_input *in, struct keep *keep, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    keep->only = strategy_given(s, FROM_ONLY);
    if (keep->only == strategy_given(s, FROM_WITHOUT))
        return plan_refuse(
            err, "from",
            "from needs, beside \"folds\", %s: \"without\" and the number of the fold "
            "that is left out, or \"only\" and that of the one to draw from",
            keep->only ? "one of the two" : "one more");
    return strategy_whole(s, keep->only ? FROM_ONLY : FROM_WITHOUT, 0, in->from.count - 1, 0,
                          &keep->fold, err);
}

static int read_from(const struct plan_input *in, struct keep *keep, struct sampler_error *err)
{
    *keep = (struct keep){.from = in->from};
    if (!in->from.kept && (!in->from.folds || in->from.count == 0))
        return plan_refuse(err, "from", "the samples to draw from are missing: attach them");
    return in->from.kept ? PLAN_OK : read_folds(in, keep, err);
}

/* ---- building ---- */

/* How many members of each class are kept, as start[]. */
static int count_members(const struct plan *plan, const struct class_index *index,
                         const struct keep *keep, uint64_t *start)
{
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t kept = start[c];
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++) {
            if (place % SLICE == 0 && plan_cancelled(plan))
                return PLAN_CANCELLED;
            kept += keeps(keep, sample_of(index, c, place));
        }
        start[c + 1] = kept;
    }
    return PLAN_OK;
}

/* Them, class after class; one of the tables is given. */
static int fill_members(const struct plan *plan, const struct class_index *index,
                        const struct keep *keep, uint32_t *member32, uint64_t *member64)
{
    uint64_t at = 0;
    for (uint32_t c = 0; c < index->classes; c++) {
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++) {
            uint64_t sample = sample_of(index, c, place);
            if (place % SLICE == 0 && plan_cancelled(plan))
                return PLAN_CANCELLED;
            if (!keeps(keep, sample))
                continue;
            if (member32)
                member32[at++] = (uint32_t)sample;
            else
                member64[at++] = sample;
        }
    }
    return PLAN_OK;
}

int view_build(struct plan *plan, const struct plan_input *in, const struct class_index **out,
               struct sampler_error *err)
{
    const struct class_index *index = in->index;
    bool wide = index->samples > 1ull << 32;
    char words[FROM_WORDS];
    struct keep keep;
    *out = index;
    if (!strategy_has_from(in->strategy))
        return PLAN_OK;
    if (read_from(in, &keep, err) != PLAN_OK)
        return PLAN_REFUSED;
    struct class_index *view = plan_alloc(plan, 1, sizeof(*view));
    uint64_t *start = plan_alloc(plan, index->classes + 1ull, sizeof(*start));
    if (!view || !start)
        return PLAN_NO_MEMORY;
    int rc = count_members(plan, index, &keep, start);
    if (rc != PLAN_OK)
        return rc;
    uint64_t kept = start[index->classes];
    if (kept == 0)
        return plan_refuse(err, "from", "there is no sample in %s: draw from another part",
                           from_words(in->strategy, words));
    uint32_t *member32 = wide ? NULL : plan_alloc(plan, kept, sizeof(*member32));
    uint64_t *member64 = wide ? plan_alloc(plan, kept, sizeof(*member64)) : NULL;
    if (!member32 && !member64)
        return PLAN_NO_MEMORY;
    *view = *index;
    view->labelled = kept;
    view->start = start;
    view->member32 = member32;
    view->member64 = member64;
    view->first = NULL;
    *out = view;
    return fill_members(plan, index, &keep, member32, member64);
}

void view_hash(struct plan *plan, const struct class_index *view)
{
    if (view->member32)
        plan_hash(plan, view->member32, view->labelled * sizeof(*view->member32));
    else
        plan_hash(plan, view->member64, view->labelled * sizeof(*view->member64));
}

void view_name(const struct plan_input *in, const struct class_index *view,
               struct sampler_error *err)
{
    char words[FROM_WORDS], text[sizeof(err->message) + FROM_WORDS + 80];
    snprintf(text, sizeof(text), "from %s (%llu of %llu samples): %s",
             from_words(in->strategy, words), (unsigned long long)view->labelled,
             (unsigned long long)in->index->labelled, err->message);
    snprintf(err->message, sizeof(err->message), "%.*s", (int)sizeof(err->message) - 1, text);
}
