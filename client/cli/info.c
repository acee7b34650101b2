/* `evendraw info`: the state of the daemon. */
#include "cli.h"

struct args {
    struct cli *cli;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_info(struct cli *cli, const json_t *info)
{
    const json_t *store = json_object_get(info, "store");
    text_t text, more;

    printf("%s at %s, protocol %u, up %s\n", field_text(info, "server"), evd_address(cli->client),
           (unsigned)field_u64(info, "protocol"), text_duration(text, field_f64(info, "uptime")));
    printf("  %s, ", text_items(text, field_u64(info, "datasets"), "dataset"));
    printf("%s, ", text_items(text, field_u64(info, "jobs"), "job"));
    printf("%s of memory for both\n", text_bytes(text, field_u64(info, "memory")));
    printf("  %s, %s open\n", text_items(text, field_u64(info, "connections"), "connection"),
           text_items(more, field_u64(info, "streams"), "stream"));
    printf("  store: %s, %s%s\n", text_bytes(text, field_u64(store, "file_bytes")),
           text_items(more, field_u64(store, "commits"), "commit"),
           json_is_true(json_object_get(store, "failing")) ? ", WRITES FAIL: see the daemon's log"
                                                           : "");
}

int command_info(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .doc = "Show the state of the daemon: version, uptime, what it holds, its store. --json "
               "shows its limits too.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer = cli_call(cli, "server.info", NULL);
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    print_info(cli, answer);
    json_decref(answer);
    return EXIT_OK;
}
