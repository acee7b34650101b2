/* What a job is created with beside its strategy: words and sizes, checked. Called by job.create,
 * job.preview, and by whoever loads or shows jobs. */
#include "codec/terms.h"

#include <string.h>

static const char *const mode_words[] = {[JOB_SHARED] = "shared", [JOB_RANKED] = "ranked"};
static const char *const last_words[] = {
    [LAST_SHORT] = "short", [LAST_DROP] = "drop", [LAST_PAD] = "pad", [LAST_EXACT] = "exact"};
static const char *const guarantee_words[] = {
    [JOB_AT_LEAST_ONCE] = "at-least-once", [JOB_AT_MOST_ONCE] = "at-most-once"};

#define DEFAULT_TIME_TO_RUN 600000u
#define DEFAULT_GRACE       2000u
#define MAX_GRACE           3600000u
#define MAX_EPHEMERAL       604800000u /* a week */

const char *mode_word(enum job_mode mode)
{
    return mode_words[mode];
}

const char *last_batch_word(enum last_batch last)
{
    return last_words[last];
}

const char *guarantee_word(enum job_guarantee guarantee)
{
    return guarantee_words[guarantee];
}

int terms_parse_words(struct evd_str mode, struct evd_str last_batch, struct evd_str guarantee,
                      struct job_config *config, enum last_batch *last, struct evd_error *err)
{
    if (str_is(guarantee, "at-least-once"))
        config->guarantee = JOB_AT_LEAST_ONCE;
    else if (str_is(guarantee, "at-most-once"))
        config->guarantee = JOB_AT_MOST_ONCE;
    else
        return error_set(err, EVD_E_BAD_VALUE, "guarantee",
                         "\"guarantee\" must be \"at-least-once\" or \"at-most-once\"");
    if (str_is(mode, "shared"))
        config->mode = JOB_SHARED;
    else if (str_is(mode, "ranked"))
        config->mode = JOB_RANKED;
    else
        return error_set(err, EVD_E_BAD_VALUE, "mode", "\"mode\" must be \"shared\" or \"ranked\"");
    for (size_t i = 0; i < sizeof(last_words) / sizeof(last_words[0]); i++) {
        if (str_is(last_batch, last_words[i])) {
            *last = (enum last_batch)i;
            return EVD_OK;
        }
    }
    return error_set(err, EVD_E_BAD_VALUE, "last_batch",
                     "\"last_batch\" must be \"short\", \"drop\", \"pad\" or \"exact\"");
}

static int sizes_check(const struct job_terms *terms, const struct job_config *config,
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
    if (terms->ephemeral > MAX_EPHEMERAL)
        return error_set(err, EVD_E_LIMIT, "ephemeral",
                         "\"ephemeral\" is at most %u milliseconds, a week: a job that is to stay "
                         "longer is not ephemeral",
                         MAX_EPHEMERAL);
    return job_config_check(config, err);
}

/* How an epoch ends. */
static int last_check(enum job_mode mode, enum last_batch last, struct evd_error *err)
{
    bool ranked = mode == JOB_RANKED;

    if (ranked && last == LAST_SHORT)
        return error_set(
            err, EVD_E_BAD_VALUE, "last_batch",
            "a ranked job cannot end an epoch with a short batch, since every rank "
            "gets an equal part: use \"drop\" or \"pad\", or \"exact\" for evaluation");
    if (!ranked && last == LAST_EXACT)
        return error_set(
            err, EVD_E_BAD_VALUE, "last_batch",
            "\"exact\" is for ranked jobs: in a shared one \"short\" gives every sample "
            "once");
    return EVD_OK;
}

int terms_decode(const struct job_terms *terms, struct job_config *config, enum last_batch *last,
                 struct evd_error *err)
{
    static const struct evd_str shared = {"shared", 6}, as_short = {"short", 5}, drop = {"drop", 4};
    static const struct evd_str at_least_once = {"at-least-once", 13};
    struct evd_str mode = terms->mode.data ? terms->mode : shared;
    struct evd_str last_batch = terms->last_batch.data   ? terms->last_batch
                                : str_is(mode, "ranked") ? drop
                                                         : as_short;
    struct evd_str guarantee = terms->guarantee.data ? terms->guarantee : at_least_once;

    if (terms_parse_words(mode, last_batch, guarantee, config, last, err) != EVD_OK)
        return err->code;
    config->batch_size = terms->batch_size;
    config->world_size = terms->world_size;
    config->replicas = terms->replicas ? terms->replicas : 1;
    config->time_to_run = terms->has_time_to_run ? terms->time_to_run : DEFAULT_TIME_TO_RUN;
    config->grace = terms->has_grace ? terms->grace : DEFAULT_GRACE;
    if (sizes_check(terms, config, err) != EVD_OK)
        return err->code;
    return last_check(config->mode, *last, err);
}
