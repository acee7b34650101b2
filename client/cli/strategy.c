#include "cli.h"

#include <string.h>

json_t *strategy_parse(struct argp_state *state, const char *text)
{
    json_error_t why;
    json_t *strategy;

    if (text[0] != '{')
        return json_pack("{s:s}", "kind", text);
    strategy = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (strategy == NULL)
        argp_error(state, "--strategy: not JSON at column %d: %s", why.column, why.text);
    return strategy;
}

void strategy_set(struct argp_state *state, json_t *strategy, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    json_t *value;

    if (equals == NULL || equals == assignment) {
        argp_error(state, "--set: '%s' is not PARAMETER=VALUE", assignment);
        return;
    }
    value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL)
        value = json_string(equals + 1);
    if (json_object_setn_new(strategy, assignment, (size_t)(equals - assignment), value) < 0)
        argp_error(state, "--set: '%s' is not UTF-8, or there is no memory", assignment);
}
