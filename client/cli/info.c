/* `evendraw info`: the state of the daemon. */
#include "cli.h"

static void print_info(const json_t *info, const void *args)
{
    const struct cli *cli = ((const struct cli_args *)args)->cli;
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
    return cli_ask(cli, argc, argv,
                   "Show the state of the daemon: version, uptime, what it holds, its store. "
                   "--json shows its limits too.",
                   "server.info", print_info);
}
