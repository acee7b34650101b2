/* `evendraw trace`: when a sample was served. */
#include <inttypes.h>
#include "commands.h"
#include "table.h"

/* All pages as one answer. */
static json_t *ask(struct cli *cli)
{
    json_t *answer = NULL, *steps = json_array();
    bool more = true;

    while (more) {
        size_t before = json_array_size(steps);
        json_t *params = json_copy(cli->params);

        params_set_u64(params, "first", before);
        json_decref(answer);
        answer = cli_call(cli, cli->command->methods[0], params);
        json_array_extend(steps, json_object_get(answer, "steps"));
        more = json_is_true(json_object_get(answer, "more")) && json_array_size(steps) > before;
    }
    if (answer) {
        json_object_set(answer, "steps", steps);
        json_object_set_new(answer, "first", json_integer(0));
    }
    json_decref(steps);
    return answer;
}

static void print_trace(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"GENERATION", NULL, RIGHT, NULL},
                                            {"EPOCH", NULL, RIGHT, NULL},
                                            {"STEP", NULL, RIGHT, NULL},
                                            {"RANK", NULL, RIGHT, NULL},
                                            {"REVISION", NULL, RIGHT, NULL},
                                            {"COUNT", NULL, RIGHT, NULL},
                                            {0}};
    const json_t *steps = json_object_get(answer, "steps");
    struct table *table = table_new(columns);
    const json_t *step;
    size_t i;

    json_array_foreach(steps, i, step)
    {
        for (size_t k = 0; columns[k].title; k++)
            table_add(table, cell_maybe(json_array_get(step, k)));
    }
    table_print(table);
    if (json_array_size(steps) == 0)
        printf("sample %" PRIu64 " was not served yet\n", field_u64(cli->params, "sample"));
    print_since(answer, "searched");
}

int run_trace(struct cli *cli, int argc, char **argv)
{
    options_parse(cli, argc, argv, NULL);
    return cli_show(cli, ask(cli), print_trace);
}
