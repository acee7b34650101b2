/* What a job is created with beside its strategy: words and sizes, checked. */
#include "rpc/build.h"
#include "rpc/replies.h"

#include <string.h>

static const char *const mode_words[] = {[JOB_SHARED] = "shared", [JOB_RANKED] = "ranked"};
static const char *const last_words[] = {
    [LAST_SHORT] = "short", [LAST_DROP] = "drop", [LAST_PAD] = "pad", [LAST_EXACT] = "exact"};
static const char *const guarantee_words[] = {
    [JOB_AT_LEAST_ONCE] = "at-least-once", [JOB_AT_MOST_ONCE] = "at-most-once"};

#define DEFAULT_TIME_TO_RUN 600000u
#define DEFAULT_GRACE       2000u
#define MAX_GRACE           3600000u

const char *job_mode_word(enum job_mode mode)
{
    return mode_words[mode];
}

const char *job_last_word(enum last_batch last)
{
    return last_words[last];
}

const char *job_guarantee_word(enum job_guarantee guarantee)
{
    return guarantee_words[guarantee];
}

int job_words_parse(struct evd_str mode, struct evd_str last, struct evd_str guarantee,
                    struct job_entry *entry, struct evd_error *err)
{
    if (str_is(guarantee, "at-least-once"))
        entry->config.guarantee = JOB_AT_LEAST_ONCE;
    else if (str_is(guarantee, "at-most-once"))
        entry->config.guarantee = JOB_AT_MOST_ONCE;
    else
        return error_set(err, EVD_E_BAD_VALUE, "guarantee",
                         "\"guarantee\" must be \"at-least-once\" or \"at-most-once\"");
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
                     "\"last_batch\" must be \"short\", \"drop\", \"pad\" or \"exact\"");
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
    if (terms->grace > MAX_GRACE)
        return error_set(err, EVD_E_LIMIT, "grace", "\"grace\" is at most %u milliseconds",
                         MAX_GRACE);
    return job_config_check(&entry->config, err);
}

/* How an epoch ends. */
static int last_check(const struct job_entry *entry, struct evd_error *err)
{
    bool ranked = entry->config.mode == JOB_RANKED;

    if (ranked && entry->last_batch == LAST_SHORT)
        return error_set(
            err, EVD_E_BAD_VALUE, "last_batch",
            "a ranked job cannot end an epoch with a short batch, since every rank "
            "gets an equal part: use \"drop\" or \"pad\", or \"exact\" for evaluation");
    if (!ranked && entry->last_batch == LAST_EXACT)
        return error_set(
            err, EVD_E_BAD_VALUE, "last_batch",
            "\"exact\" is for ranked jobs: in a shared one \"short\" gives every sample "
            "once");
    return EVD_OK;
}

int job_terms_take(struct job_entry *entry, const struct job_terms *terms, struct evd_error *err)
{
    static const struct evd_str shared = {"shared", 6}, as_short = {"short", 5}, drop = {"drop", 4};
    static const struct evd_str at_least_once = {"at-least-once", 13};
    struct evd_str mode = terms->mode.data ? terms->mode : shared;
    struct evd_str last = terms->last_batch.data   ? terms->last_batch
                          : str_is(mode, "ranked") ? drop
                                                   : as_short;

    if (job_words_parse(mode, last, terms->guarantee.data ? terms->guarantee : at_least_once, entry,
                        err) != EVD_OK)
        return err->code;
    entry->config.batch_size = terms->batch_size;
    entry->config.world_size = terms->world_size;
    entry->config.replicas = terms->replicas ? terms->replicas : 1;
    entry->config.time_to_run = terms->has_time_to_run ? terms->time_to_run : DEFAULT_TIME_TO_RUN;
    entry->config.grace = terms->has_grace ? terms->grace : DEFAULT_GRACE;
    entry->seed = terms->seed;
    if (sizes_check(terms, entry, err) != EVD_OK)
        return err->code;
    return last_check(entry, err);
}
