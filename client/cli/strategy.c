#include "cli.h"

#include <stdlib.h>
#include <string.h>

void strategy_choose(struct argp_state *state, json_t **strategy, const char *text)
{
    json_error_t why = {.column = 0};
    json_t *chosen;

    if (text[0] != '{')
        chosen = json_pack("{s:s}", "kind", text);
    else
        chosen = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (chosen == NULL && text[0] == '{')
        argp_error(state, "--strategy: not JSON at column %d: %s", why.column, why.text);
    if (chosen == NULL)
        argp_error(state, "--strategy: '%s' is not UTF-8, or there is no memory", text);
    json_object_update_missing(chosen, *strategy); /* what --set said before */
    json_decref(*strategy);
    *strategy = chosen;
}

void strategy_check(struct argp_state *state, const json_t *strategy)
{
    if (strategy != NULL && json_object_get(strategy, "kind") == NULL)
        argp_error(state, "which strategy? give --strategy KIND, or \"kind\" in its JSON");
}

void strategy_set(struct argp_state *state, json_t **strategy, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    json_t *value;

    if (*strategy == NULL)
        *strategy = json_object();
    if (equals == NULL || equals == assignment) {
        argp_error(state, "--set: '%s' is not PARAMETER=VALUE", assignment);
        return;
    }
    value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL)
        value = json_string(equals + 1);
    if (json_object_setn_new(*strategy, assignment, (size_t)(equals - assignment), value) < 0)
        argp_error(state, "--set: '%s' is not UTF-8, or there is no memory", assignment);
}

void print_strategy(const json_t *strategy)
{
    char *text = json_dumps(strategy, JSON_COMPACT);

    if (text != NULL && text_width(text) > 200)
        print_padded(stdout, text, 200);
    else
        fputs(text ? text : "?", stdout);
    free(text);
}
