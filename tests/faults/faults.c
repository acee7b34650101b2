#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static bool is_short;

void faults_arguments(int argc, char **argv)
{
    is_short = argc > 1 && strcmp(argv[1], "--short") == 0;
}

bool faults_short(void)
{
    return is_short;
}

uint32_t faults_scale(struct scale scale)
{
    if (is_short)
        return scale.shorter;
    return getenv("EVD_LONG") != NULL ? scale.longer : scale.normal;
}

unsigned faults_patience(void)
{
    return faults_scale((struct scale){.normal = 120, .longer = 900, .shorter = 60});
}

void faults_load(struct server *server, uint64_t steps)
{
    evd_client *client = server_dial(server);

    load(client, "d", steps * BATCH, 10);
    evd_close(client);
}

void faults_job(struct server *server, const char *name, const char *more)
{
    evd_client *client = server_dial(server);
    char params[512];

    snprintf(params, sizeof(params),
             "{\"name\": \"%s\", \"dataset\": \"d\", \"batch_size\": %u, \"seed\": 7%s}", name,
             BATCH, more);
    tell(client, "job.create", params);
    evd_close(client);
}

static void replay(evd_client *client, const char *job)
{
    char params[128];

    snprintf(params, sizeof(params),
             "{\"job\": \"%s\", \"epoch\": 0, \"step\": 0, \"mode\": \"replay\"}", job);
    tell(client, "job.seek", params);
}

void faults_check(struct server *server, const char *job, const char *more, struct board *board,
                  uint32_t world, uint64_t epochs, uint64_t steps, uint32_t lease_ms)
{
    struct history_rules rules = {.world = world,
                                  .epochs = epochs,
                                  .steps = steps,
                                  .excused = board->excused,
                                  .lease_ms = lease_ms,
                                  .workers = workers_started()};
    struct history history;
    struct reference *reference;
    struct change *changes;
    evd_client *client = server_dial(server);
    char name[64];

    changes = history_changes(client, job, &rules.change_count);
    snprintf(name, sizeof(name), more ? "%s-reference" : "%s", job);
    if (more)
        faults_job(server, name, more);
    else
        replay(client, job);
    reference = history_reference(client, name, board->pairs, world, epochs, steps);
    evd_close(client);
    rules.reference = reference;
    rules.changes = changes;
    history_load(&history, server->dir, job);
    print_message("%s: ", job);
    history_check(&history, &rules);
    history_free(&history);
    free(changes);
    free(reference);
}

struct sockaddr_un faults_address(const struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, server->address + strlen("unix:"),
           strnlen(server->address + strlen("unix:"), sizeof(address.sun_path) - 1));
    return address;
}

double faults_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
