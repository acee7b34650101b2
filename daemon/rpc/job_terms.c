/* What a job is created with beside its strategy: words and sizes, checked. */
#include "rpc/build.h"
#include "rpc/replies.h"

#include <string.h>

static const char *const mode_words[] = {[JOB_SHARED] = "shared", [JOB_RANKED] = "ranked"};
static const char *const last_words[] = {
    [LAST_SHORT] = "short", [LAST_DROP] = "drop", [LAST_PAD] = "pad"};

const char *job_mode_word(enum job_mode mode)
{
    return mode_words[mode];
}

const char *job_last_word(enum last_batch last)
{
    return last_words[last];
}

int job_words_parse(struct evd_str mode, struct evd_str last, struct job_entry *entry,
                    struct evd_error *err)
{
    if (str_is(mode, "shared"))
        entry->config.mode = JOB_SHARED;
    else if (str_is(mode, "ranked"))
        entry->config.mode = JOB_RANKED;
    else
        return error_set(err, EVD_E_BAD_VALUE, "mode", "\"mode\" must be \"shared\" or \"ranked\"");
    for (size_t i = 0; i < sizeof(last_words) / sizeof(last_words[0]); i++) {
        if (str_is(last, last_words[i])) {
            entry->last_batch = (enum last_batch)i;
            return EVD_OK;
        }
    }
    return error_set(err, EVD_E_BAD_VALUE, "last_batch",
                     "\"last_batch\" must be \"short\", \"drop\" or \"pad\"");
}

static int sizes_check(const struct job_terms *terms, const struct job_entry *entry,
                       struct evd_error *err)
{
    if (terms->batch_size == 0)
        return error_set(err, EVD_E_BAD_VALUE, "batch_size", "\"batch_size\" must be at least 1");
    if (terms->batch_size > EVD_MAX_BATCH)
        return error_set(err, EVD_E_LIMIT, "batch_size",
                         "\"batch_size\" is %u, at most %u are allowed", terms->batch_size,
                         EVD_MAX_BATCH);
    if (terms->seed > EVD_MAX_SEED)
        return error_set(err, EVD_E_LIMIT, "seed", "\"seed\" must be below 2^63");
    if (terms->world_size == 0)
        return EVD_OK;
    if (entry->config.mode == JOB_SHARED)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "a shared job has no world_size: leave it out, or use mode \"ranked\"");
    if (terms->world_size > EVD_MAX_WORLD)
        return error_set(err, EVD_E_LIMIT, "world_size",
                         "\"world_size\" is %u, at most %u are allowed", terms->world_size,
                         EVD_MAX_WORLD);
    if (terms->batch_size % terms->world_size != 0)
        return error_set(
            err, EVD_E_BAD_VALUE, "world_size",
            "world_size %u does not divide batch_size %u: every rank gets an equal part "
            "of each batch",
            terms->world_size, terms->batch_size);
    return EVD_OK;
}

int job_terms_take(struct job_entry *entry, const struct job_terms *terms, struct evd_error *err)
{
    static const struct evd_str shared = {"shared", 6}, as_short = {"short", 5}, drop = {"drop", 4};
    struct evd_str mode = terms->mode.data ? terms->mode : shared;
    struct evd_str last = terms->last_batch.data   ? terms->last_batch
                          : str_is(mode, "ranked") ? drop
                                                   : as_short;

    if (job_words_parse(mode, last, entry, err) != EVD_OK ||
        sizes_check(terms, entry, err) != EVD_OK)
        return err->code;
    if (entry->config.mode == JOB_RANKED && entry->last_batch == LAST_SHORT)
        return error_set(
            err, EVD_E_BAD_VALUE, "last_batch",
            "a ranked job cannot end an epoch with a short batch, since every rank gets "
            "an equal part: use \"drop\" or \"pad\"");
    entry->config.batch_size = terms->batch_size;
    entry->config.world_size = terms->world_size;
    entry->seed = terms->seed;
    return EVD_OK;
}
