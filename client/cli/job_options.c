/*
 * What a job is to be, as options of `job create`, `job set`, `job seek` and `preview` say it:
 * parsers of a strategy, and what may not go together. Called by options.c, through the table in
 * commands.c.
 */
#include <string.h>
#include "commands.h"

/* ---- --strategy and --set, in any order ---- */

/* A kind ("stratified"), or a JSON object. */
void parse_strategy(const struct given *given)
{
    static const char *const maps[] = {"from", "pairs"};
    const char *text = given->text;
    json_error_t why = {.column = 0};
    json_t *chosen, *before;

    if (text[0] == '{') {
        chosen = json_loads(text, JSON_REJECT_DUPLICATES, &why);
        if (!chosen)
            argp_error(given->state, "--strategy: not JSON at column %d: %s", why.column, why.text);
    } else {
        chosen = json_pack("{s:s}", "kind", text);
        if (!chosen)
            argp_error(given->state, "--strategy: '%s' is not UTF-8, or there is no memory", text);
    }
    /* What --set said before. */
    before = json_object_get(given->cli->params, given->option->param);
    json_object_update_missing(chosen, before);
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        json_object_update_missing(json_object_get(chosen, maps[i]),
                                   json_object_get(before, maps[i]));
    given_param(given, chosen);
}

/* "name=value": a value that is JSON is taken as such, anything else as text. "map.name=value" is
 * of a map within the strategy's, such as pairs or from. */
void parse_strategy_parameter(const struct given *given)
{
    const char *equals = strchr(given->text, '='), *name = given->text, *dot;
    json_t *strategy, *value;

    if (!equals || equals == given->text) {
        argp_error(given->state, "--set: '%s' is not PARAMETER=VALUE", given->text);
        return;
    }
    if (!params_have(given->cli, given->option->param))
        given_param(given, json_object());
    strategy = json_object_get(given->cli->params, given->option->param);
    dot = memchr(name, '.', (size_t)(equals - name));
    if (dot) {
        json_t *within = json_object_getn(strategy, name, (size_t)(dot - name));

        if (within && !json_is_object(within))
            argp_error(given->state, "--set: '%.*s' was given as a value already",
                       (int)(dot - name), name);
        if (!within) {
            within = json_object();
            json_object_setn_new(strategy, name, (size_t)(dot - name), within);
        }
        strategy = within;
        name = dot + 1;
    }
    value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!value)
        value = json_string(equals + 1);
    if (json_object_setn_new(strategy, name, (size_t)(equals - name), value) < 0)
        argp_error(given->state, "--set: '%s' is not UTF-8, or there is no memory", given->text);
}

static void check_strategy(struct argp_state *state, const struct cli *cli)
{
    const json_t *strategy = json_object_get(cli->params, "strategy");

    if (strategy && !json_object_get(strategy, "kind"))
        argp_error(state, "which strategy? give --strategy KIND, or \"kind\" in its JSON");
}

/* ---- what goes together ---- */

/* Of a new job, or of a preview of one. */
static void check_terms(struct argp_state *state, const struct cli *cli)
{
    if (!params_have(cli, "batch_size"))
        argp_error(state, "--batch-size is missing: how many samples are a step?");
    else if (params_have(cli, "world_size") && !params_have(cli, "mode"))
        argp_error(state, "--world-size is for ranked jobs: add --ranked");
    check_strategy(state, cli);
}

void check_job_create(struct argp_state *state, struct cli *cli, const void *fields)
{
    (void)fields;
    if (params_have(cli, "replicas") && !params_have(cli, "mode"))
        argp_error(state, "--replicas is for ranked jobs: add --ranked");
    check_terms(state, cli);
}

void check_job_set(struct argp_state *state, struct cli *cli, const void *fields)
{
    (void)fields;
    if (!params_have(cli, "strategy"))
        argp_error(state, "--strategy is missing: what should the job draw by? (`evendraw "
                          "strategies` lists them)");
    check_strategy(state, cli);
    if (!params_have(cli, "epoch"))
        return;
    if (!params_have(cli, "when"))
        json_object_set_new(cli->params, "when", json_string("at"));
    if (!params_have(cli, "step"))
        params_set_u64(cli->params, "step", 0);
}

void check_job_seek(struct argp_state *state, struct cli *cli, const void *fields)
{
    bool token = params_have(cli, "token"), epoch = params_have(cli, "epoch");

    (void)fields;
    if (token == epoch)
        argp_error(state, "where to? give --token TOKEN, or --epoch N and --step N");
    else if (token && params_have(cli, "step"))
        argp_error(state, "--step goes with --epoch: a token says the step");
    else if (epoch && !params_have(cli, "step"))
        params_set_u64(cli->params, "step", 0);
}

/* The preview of a new job on a dataset, or of a change of a job's strategy. */
void check_preview(struct argp_state *state, struct cli *cli, const void *fields)
{
    static const char *const of_new_job[] = {"version", "batch_size", "seed",
                                             "mode",    "world_size", "last_batch"};
    bool dataset = params_have(cli, "dataset"), strategy = params_have(cli, "strategy");

    (void)fields;
    if (dataset == params_have(cli, "job"))
        argp_error(state, "name a dataset, or a job with --job");
    if (dataset && !strategy) /* as of a job that is created without one */
        json_object_set_new(cli->params, "strategy", json_pack("{s:s}", "kind", "uniform"));
    if (dataset) {
        check_terms(state, cli);
        return;
    }
    for (size_t i = 0; i < sizeof(of_new_job) / sizeof(of_new_job[0]); i++) {
        if (params_have(cli, of_new_job[i]))
            argp_error(state, "with --job only --strategy and --set can be given: the rest is the "
                              "job's own");
    }
    if (!strategy)
        argp_error(state, "--strategy is missing: what should the job change to?");
    check_strategy(state, cli);
}
