/* What `info` and `backup` print: the state of the daemon, and a copy of its database. */
#include <stdlib.h>
#include <unistd.h>
#include "commands.h"
#include "print.h"

/* What the memory is for, what there is most of first. */
static void print_memory(const json_t *info)
{
    json_t *holds = json_copy(json_object_get(info, "holds"));
    const char *between = ": ";

    printf("  %s resident", text_bytes(field_u64(info, "resident")));
    while (holds && json_object_size(holds) > 0) {
        const char *key, *most = json_object_iter_key(json_object_iter(holds));
        json_t *bytes;

        json_object_foreach(holds, key, bytes)
        {
            if (json_integer_value(bytes) > json_integer_value(json_object_get(holds, most)))
                most = key;
        }
        if (field_u64(holds, most) < 100000)
            break;
        printf("%s%s %s", between, most, text_bytes(field_u64(holds, most)));
        between = ", ";
        json_object_del(holds, most);
    }
    putchar('\n');
    json_decref(holds);
    if (field_u64(info, "shed") > 0)
        printf(
            "  %s CLOSED, since the buffers of connections held too much: see the daemon's log\n",
            field_items(info, "shed", "connection"));
}

/* What is out of service; the daemon tells of the first few. */
static void print_damage(const json_t *info)
{
    const json_t *damage = json_object_get(info, "damage"), *thing;
    size_t i;

    if (field_u64(info, "damaged") > 0)
        printf("  OUT OF SERVICE: %s of these, damaged in the database\n",
               field_count(info, "damaged"));
    json_array_foreach(damage, i, thing)
    {
        const char *job = field_text(thing, "job"); /* what else there is names itself */

        printf("    %s%s%s%s\n", job[0] ? "job " : "", job, job[0] ? ": " : "",
               field_text(thing, "damage"));
    }
}

static void print_info(const json_t *info, const struct cli *cli)
{
    const json_t *store = json_object_get(info, "store");
    const json_t *works = json_object_get(info, "works");

    printf("%s at %s, protocol %u, up %s\n", field_text(info, "server"), evd_address(cli->client),
           (unsigned)field_u64(info, "protocol"), text_duration(field_f64(info, "uptime")));
    printf("  %s, ", field_items(info, "datasets", "dataset"));
    printf("%s, ", field_items(info, "jobs", "job"));
    printf("%s of memory for both\n", text_bytes(field_u64(info, "memory")));
    print_memory(info);
    printf("  %s, %s open\n", field_items(info, "connections", "connection"),
           field_items(info, "streams", "stream"));
    if (field_u64(works, "working") > 0)
        printf("  %s under way, %s waiting\n", field_items(works, "working", "heavy request"),
               text_count(field_u64(works, "waiting")));
    printf("  store: %s, %s%s\n", text_bytes(field_u64(store, "file_bytes")),
           field_items(store, "commits", "commit"),
           json_is_true(json_object_get(store, "failing")) ? ", WRITES FAIL: see the daemon's log"
                                                           : "");
    print_damage(info);
}

/* What watches a daemon looks at the exit status. */
int run_info(struct cli *cli, int argc, char **argv)
{
    json_t *info;
    bool failing;
    int status;

    options_parse(cli, argc, argv, NULL);
    info = command_ask(cli);
    failing = json_is_true(json_object_get(json_object_get(info, "store"), "failing"));
    status = cli_show(cli, info, print_info);
    if (status == EXIT_OK && failing)
        status = cli_error(cli, EXIT_REFUSED,
                           "the daemon cannot write its database: what would change it is refused "
                           "until that works again, and the daemon's log says more");
    return status;
}

/* Made absolute, for the daemon lives in another folder. */
void parse_copy_path(const struct given *given)
{
    char *here = given->text[0] == '/' ? NULL : getcwd(NULL, 0);
    json_t *path = NULL;

    if (given->text[0] == '/')
        path = json_string(given->text);
    else if (here)
        path = json_sprintf("%s/%s", here, given->text);
    free(here);
    if (!path)
        exit(cli_error(given->cli, EXIT_USAGE, "%s: no absolute UTF-8 path can be made of it",
                       given->text));
    given_param(given, path);
}

void print_copy(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("%s, %s\n", field_text(answer, "path"), text_bytes(field_u64(answer, "bytes")));
}
