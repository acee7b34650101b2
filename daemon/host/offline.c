/*
 * Looks at a database without a daemon, and repairs it into a new file (offline.h):
 *
 *     examine  the file is opened to be read only; SQLite's own checks
 *     load     as a daemon does, by a server without peers; what it puts out of service is damaged
 *
 * and if a new file is wanted and something was found
 *
 *     salvage  what can be read goes to NEW.partial, row by row
 *     load     from there; what is out of service is dropped
 *     examine, load    once more: nothing may be found
 *     publish  NEW.partial becomes NEW, which must not exist
 */
#include "host/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "calls/calls.h"
#include "host/report.h"
#include "server/port.h"
#include "store/engine.h"

struct things {
    struct server_thing *items; /* their texts are the server's */
    size_t count, cap;
    bool failed, no_memory; /* this could not be kept; that could not be loaded */
    size_t damaged;
};

struct offline {
    struct report report;
    char path[PATH_MAX], partial[PATH_MAX];
    struct store *store;
    struct server *server;
    char **warnings; /* of the last load */
    size_t warning_count, warning_cap;
    bool found; /* by an examination that is not reported */
    uv_sem_t woken;
};

/* ---- a server without peers ---- */

static uint64_t no_time(void *arg)
{
    (void)arg;
    return 0;
}

static void no_timer(void *arg, uint64_t milliseconds)
{
    (void)arg;
    (void)milliseconds;
}

static void keep_warning(void *arg, enum server_level level, const char *text)
{
    struct offline *o = arg;
    size_t cap = o->warning_cap ? o->warning_cap * 2 : 16;
    char **grown;

    if (level != SERVER_WARNING)
        return;
    if (o->warning_count == o->warning_cap) {
        grown = realloc(o->warnings, cap * sizeof(*grown));
        if (!grown)
            return;
        o->warnings = grown;
        o->warning_cap = cap;
    }
    o->warnings[o->warning_count] = strdup(text);
    o->warning_count += o->warnings[o->warning_count] != NULL;
}

static void wake(void *arg)
{
    uv_sem_post(&((struct offline *)arg)->woken);
}

static int load(struct offline *o, struct evd_error *err)
{
    struct server_host host = {.arg = o,
                               .now = no_time,
                               .wall = no_time,
                               .arm = no_timer,
                               .log = keep_warning,
                               .limits = SERVER_LIMITS_NORMAL};
    int code;

    report_stage(&o->report, "reading datasets and jobs");
    code = server_new(&o->server, &host, o->store, &calls_ops, err);
    return code == EVD_OK ? server_load(o->server, err) : code;
}

static void unload(struct offline *o)
{
    if (o->store)
        store_close(o->store);
    if (o->server)
        server_free(o->server);
    while (o->warning_count > 0)
        free(o->warnings[--o->warning_count]);
    o->store = NULL;
    o->server = NULL;
}

static void note_thing(void *arg, const struct server_thing *thing)
{
    struct things *things = arg;
    size_t cap = things->cap ? things->cap * 2 : 64;
    struct server_thing *grown;

    things->damaged += thing->damage != NULL;
    things->no_memory |= thing->code == EVD_E_NO_MEMORY;
    if (things->count == things->cap) {
        grown = realloc(things->items, cap * sizeof(*grown));
        if (!grown) {
            things->failed = true;
            return;
        }
        things->items = grown;
        things->cap = cap;
    }
    things->items[things->count++] = *thing;
}

static int survey(struct offline *o, struct things *things, struct evd_error *err)
{
    *things = (struct things){0};
    o->server->ops->survey(o->server->jobs, note_thing, things);
    if (!things->failed && !things->no_memory)
        return EVD_OK;
    free(things->items);
    things->items = NULL;
    return error_set(err, EVD_E_NO_MEMORY, "", "there is not enough memory to load all of it");
}

/* ---- looking ---- */

static void tell_stage(void *arg, const char *what)
{
    report_stage(&((struct offline *)arg)->report, what);
}

static void tell_damage(void *arg, const char *what)
{
    report_finding(&((struct offline *)arg)->report, what);
}

static void note_damage(void *arg, const char *what)
{
    (void)what;
    ((struct offline *)arg)->found = true;
}

/* What is said of things that are out of service is said with them. */
static bool said(const struct things *things, const char *warning)
{
    for (size_t i = 0; i < things->count; i++) {
        if (things->items[i].damage && strstr(warning, things->items[i].damage))
            return true;
    }
    return false;
}

static void report_all(struct offline *o, const struct things *things)
{
    report_things(&o->report);
    for (size_t i = 0; i < things->count; i++)
        report_thing(&o->report, &things->items[i]);
    report_notes(&o->report);
    for (size_t i = 0; i < o->warning_count; i++) {
        if (!said(things, o->warnings[i]))
            report_note(&o->report, o->warnings[i]);
    }
}

/* Loads what was examined; what the daemon would not start with is a finding. */
static int look_inside(struct offline *o, struct things *things, bool *readable,
                       struct evd_error *err)
{
    int code = EVD_OK;

    *things = (struct things){0};
    if (*readable)
        code = load(o, err);
    if (*readable && code == EVD_OK)
        return survey(o, things, err);
    *readable = false;
    if (code == EVD_OK || code == EVD_E_NO_MEMORY)
        return code;
    report_finding(&o->report, err->message);
    return EVD_OK;
}

/* ---- repairing ---- */

/* Everything that is out of service, and the jobs of what is, in an order that can be stored. */
static size_t list_drops(const struct things *things, struct store_op *ops)
{
    size_t n = 0;

    for (size_t i = 0; i < things->count; i++) {
        const struct server_thing *thing = &things->items[i];

        if (thing->kind == SERVER_JOB && thing->damage)
            ops[n++] = (struct store_op){.kind = STORE_JOB_DROP, .job = {.id = thing->id}};
    }
    for (size_t i = 0; i < things->count; i++) {
        const struct server_thing *thing = &things->items[i];

        if (thing->kind == SERVER_ATTACHMENT && thing->damage)
            ops[n++] =
                (struct store_op){.kind = STORE_ATTACHMENT_DROP, .attachment = {.id = thing->id}};
    }
    for (size_t i = 0; i < things->count; i++) {
        const struct server_thing *thing = &things->items[i];

        if (thing->kind == SERVER_DATASET && thing->damage)
            ops[n++] = (struct store_op){.kind = STORE_DATASET_DROP, .dataset = {.id = thing->id}};
    }
    return n;
}

static void dropped(struct store_op *op)
{
    ++*(size_t *)op->owner;
}

static int drop(struct offline *o, const struct things *things, struct evd_error *err)
{
    struct store_op *ops = calloc(things->damaged + 1, sizeof(*ops));
    size_t n, done = 0, sent = 0;
    int code;

    if (!ops)
        return error_no_memory(err);
    n = list_drops(things, ops);
    code = store_start(o->store, err);
    while (code == EVD_OK && sent < n) {
        ops[sent].owner = &done;
        ops[sent].done = dropped;
        code = store_submit(o->store, &ops[sent], err);
        sent += code == EVD_OK;
    }
    while (done < sent) {
        uv_sem_wait(&o->woken);
        store_poll(o->store);
    }
    for (size_t i = 0; code == EVD_OK && i < sent; i++) {
        *err = ops[i].error;
        code = err->code;
    }
    free(ops);
    return code;
}

/* The copy as it is on the disk must be sound. */
static int prove(struct offline *o, struct evd_error *err)
{
    const struct store_look quiet = {o, tell_stage, note_damage};
    struct things things = {0};
    bool readable;
    int code;

    o->found = false;
    code = store_examine(&o->store, o->partial, &quiet, &readable, err);
    if (code == EVD_OK)
        code = load(o, err);
    if (code == EVD_OK)
        code = survey(o, &things, err);
    free(things.items);
    unload(o);
    if (code == EVD_OK && (o->found || things.damaged > 0))
        return error_set(err, EVD_E_INTERNAL, "",
                         "the new file came out damaged, so it was removed; this is a mistake of "
                         "evendraw: restore a backup");
    return code;
}

static int make_copy(struct offline *o, struct evd_error *err)
{
    const struct store_look look = {o, tell_stage, tell_damage};
    struct things things = {0};
    int code = store_salvage(o->store, o->partial, &look, err);

    unload(o);
    if (code == EVD_OK)
        code = store_open(&o->store, o->partial, wake, o, err);
    if (code == EVD_OK)
        code = load(o, err);
    if (code == EVD_OK)
        code = survey(o, &things, err);
    if (code == EVD_OK) {
        report_all(o, &things);
        code = drop(o, &things, err);
    }
    free(things.items);
    unload(o);
    return code == EVD_OK ? prove(o, err) : code;
}

static int file_error(const char *path, const char *what, struct evd_error *err)
{
    return error_set(err, EVD_E_STORE, path, "%s %s: %s: give another path, or make room", what,
                     path, strerror(errno));
}

static int sync_folder(const char *path)
{
    char folder[PATH_MAX], *slash;
    int fd, rc = -1;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        rc = fsync(fd);
        close(fd);
    }
    return rc;
}

/* Takes the name NEW.partial, and sees that NEW is free: nothing is overwritten. */
static int take_names(struct offline *o, const char *repaired, struct evd_error *err)
{
    struct stat status;
    int fd;

    if ((size_t)snprintf(o->partial, sizeof(o->partial), "%s.partial", repaired) >=
        sizeof(o->partial) - sizeof("-journal"))
        return error_set(err, EVD_E_LIMIT, "repair", "the path of the new file is too long");
    errno = EEXIST;
    if (lstat(repaired, &status) == 0)
        return file_error(repaired, "cannot make", err);
    fd = open(o->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, EVD_E_STORE, o->partial,
                         "%s is there: another repair is at work, or one was interrupted; then "
                         "remove it, and try again",
                         o->partial);
    if (fd < 0)
        return file_error(o->partial, "cannot make", err);
    close(fd);
    return EVD_OK;
}

static void remove_partial(const struct offline *o)
{
    static const char *const ends[] = {"", "-wal", "-journal"};
    char path[PATH_MAX + 16];

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", o->partial, ends[i]);
        unlink(path);
    }
}

static int publish(const struct offline *o, const char *repaired, struct evd_error *err)
{
    if (link(o->partial, repaired) != 0)
        return file_error(repaired, "cannot make", err);
    if (sync_folder(repaired) == 0)
        return EVD_OK;
    file_error(repaired, "cannot confirm", err);
    unlink(repaired);
    return err->code;
}

static int repair(struct offline *o, const char *repaired, struct evd_error *err)
{
    int code = take_names(o, repaired, err);

    if (code != EVD_OK)
        return code;
    code = make_copy(o, err);
    if (code == EVD_OK)
        code = publish(o, repaired, err);
    remove_partial(o);
    return code;
}

/* ---- both ---- */

static enum offline_result run(struct offline *o, const char *repaired, struct evd_error *err)
{
    const struct store_look look = {o, tell_stage, tell_damage};
    struct things things = {0};
    bool readable = false, wanted;
    int code = store_examine(&o->store, o->path, &look, &readable, err);

    if (code == EVD_OK)
        code = look_inside(o, &things, &readable, err);
    if (code != EVD_OK) {
        unload(o);
        return OFFLINE_FAILED;
    }
    wanted = repaired && (o->report.findings > 0 || things.damaged > 0);
    o->report.repair = wanted;
    if (!wanted)
        report_all(o, &things);
    free(things.items);
    if (wanted)
        code = repair(o, repaired, err);
    unload(o);
    if (code != EVD_OK)
        return OFFLINE_FAILED;
    report_end(&o->report, wanted ? repaired : NULL);
    return report_sound(&o->report) ? OFFLINE_SOUND : OFFLINE_DAMAGED;
}

/* Which file it is. */
static int find_file(struct offline *o, const char *database, struct evd_error *err)
{
    const char *place;

    if (!database || !engine_find(database, &place, err))
        return err->code;
    if ((size_t)snprintf(o->path, sizeof(o->path), "%s", place) >= sizeof(o->path))
        return error_set(err, EVD_E_LIMIT, "database", "the path of the database is too long");
    return EVD_OK;
}

enum offline_result offline_run(const struct offline_config *config, struct evd_error *err)
{
    struct offline o = {.report = {.json = config->json}};
    enum offline_result result = OFFLINE_FAILED;
    int code = find_file(&o, config->database, err);

    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk */
    signal(SIGPIPE, SIG_IGN); /* a repair is done also where nobody reads of it */
    umask(077);
    o.report.database = code == EVD_OK ? o.path : config->database;
    report_begin(&o.report);
    if (code == EVD_OK && uv_sem_init(&o.woken, 0) != 0)
        code = error_no_memory(err);
    if (code == EVD_OK) {
        result = run(&o, config->repaired, err);
        uv_sem_destroy(&o.woken);
    }
    if (result == OFFLINE_FAILED)
        report_fail(&o.report, err->message);
    free(o.warnings);
    return result;
}
