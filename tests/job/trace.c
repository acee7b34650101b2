#include "trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "fake_plan.h"
#include "job/position.h"
#include "trace_run.h"

#define MAX_WORDS 12

struct command {
    const char *words[MAX_WORDS];
    int count;
};

/* The word after `key`, or NULL. */
static const char *option(const struct command *command, const char *key)
{
    for (int i = 1; i + 1 < command->count; i++) {
        if (strcmp(command->words[i], key) == 0)
            return command->words[i + 1];
    }
    return NULL;
}

static uint64_t number(const struct command *command, const char *key, uint64_t otherwise)
{
    const char *word = option(command, key);

    return word ? strtoull(word, NULL, 10) : otherwise;
}

static bool has(const struct command *command, const char *key)
{
    for (int i = 1; i < command->count; i++) {
        if (strcmp(command->words[i], key) == 0)
            return true;
    }
    return false;
}

static struct job_position position(const char *word)
{
    struct job_position at;

    if (sscanf(word, "%" SCNu64 ":%" SCNu64, &at.epoch, &at.step) != 2)
        die("not a position", word);
    return at;
}

static int code_named(const char *name)
{
    if (strcmp(name, "ok") == 0)
        return EVD_OK;
    for (int code = 1; code < 100; code++) {
        if (strcmp(error_name(code), name) == 0)
            return code;
    }
    die("no such error", name);
}

static struct worker *worker_named(struct run *run, const char *name)
{
    struct worker *unused = NULL;

    for (int i = MAX_WORKERS - 1; i >= 0; i--) {
        if (strcmp(run->workers[i].name, name) == 0)
            return &run->workers[i];
        if (!run->workers[i].name[0])
            unused = &run->workers[i];
    }
    if (!unused)
        die("too many workers", name);
    snprintf(unused->name, sizeof(unused->name), "%s", name);
    return unused;
}

static struct plan *plan_make(const struct run *run, uint32_t revision, int place)
{
    uint32_t batch = run->config.batch_size;

    return fake_plan_new((struct fake_plan){.revision = revision,
                                            .steps = run->steps[revision],
                                            .batch = batch,
                                            .last = batch,
                                            .place = place});
}

/* The plan a command asks for; its epochs are as long as the first revision's unless it says so. */
static struct plan *plan_of(struct run *run, const struct command *command, uint32_t revision)
{
    if (revision >= MAX_REVISIONS)
        die("too many revisions", command->words[0]);
    run->steps[revision] = number(command, "steps", revision ? run->steps[0] : 3);
    return plan_make(run, revision, has(command, "unfit") ? PLAN_REFUSED : PLAN_OK);
}

static void refused(struct run *run, const struct evd_error *err)
{
    say(run, "refused %s %s: %s", error_name(err->code), err->detail, err->message);
}

static void command_job(struct run *run, const struct command *command)
{
    struct evd_error err;
    struct plan *plan;

    run->config = (struct job_config){
        .mode = has(command, "ranked") ? JOB_RANKED : JOB_SHARED,
        .guarantee = has(command, "at-most-once") ? JOB_AT_MOST_ONCE : JOB_AT_LEAST_ONCE,
        .batch_size = (uint32_t)number(command, "batch", 4),
        .world_size = (uint32_t)number(command, "world", 0),
        .replicas = (uint32_t)number(command, "replicas", 0),
        .time_to_run = (uint32_t)number(command, "time_to_run", 0),
        .grace = (uint32_t)number(command, "grace", 0),
    };
    run->silent = !has(command, "store");
    run->storing = false;
    job_free(run->job);
    run->job = NULL;
    memset(run->workers, 0, sizeof(run->workers));
    plan = plan_of(run, command, 0);
    if (job_new(&run->job, &run->config, plan, &err) == EVD_OK)
        return;
    refused(run, &err);
    plan_unref(plan);
}

/* The daemon starts again: what was stored is what the job says now, workers are gone. */
static void command_restart(struct run *run)
{
    struct job *old = run->job;
    const struct job_progress *rows;
    uint32_t n = job_progress(old, &rows);
    struct job_restored restored = run->stored;
    struct job_state state;
    struct evd_error err;

    job_state(old, &state);
    restored.mark = job_mark(old);
    restored.attended = job_attended(old);
    restored.world_at = state.world_at;
    for (uint32_t i = 0; i < job_revisions(old); i++) {
        struct job_revision_info info = job_revision(old, i);
        struct plan *plan = plan_make(run, info.revision, PLAN_OK);
        int code;

        info.plan = plan;
        code = i == 0 ? job_new(&run->job, &run->config, plan, &err)
                      : job_restore_revision(run->job, &info, &err);
        if (code)
            die("restore", err.message);
    }
    if (job_restore_generation(run->job, &restored, &err))
        die("restore", err.message);
    for (uint32_t i = 0; i < n; i++) {
        if (job_restore_progress(run->job, n, &rows[i], &err))
            die("restore", err.message);
    }
    job_restore_end(run->job);
    job_free(old);
    job_check(run->job);
    memset(run->workers, 0, sizeof(run->workers));
    run->storing = false;
}

static void command_state(struct run *run)
{
    struct job_state s;

    job_state(run->job, &s);
    say(run,
        "next %" PRIu64 ":%" PRIu64 " of %" PRIu64 " low %" PRIu64 ":%" PRIu64 " revision %" PRIu32
        " of %" PRIu32 " streams %" PRIu32 " outstanding %" PRIu32 "%s",
        s.next.epoch, s.next.step, s.shape.steps, s.low.epoch, s.low.step, s.revision,
        job_revisions(run->job), s.streams, s.outstanding,
        s.updating  ? " updating"
        : s.failing ? " failing"
                    : "");
    if (s.redelivered || s.expired)
        say(run, "redelivered %" PRIu64 " expired %" PRIu64, s.redelivered, s.expired);
    say(run, "plans held %u", fake_plans());
}

static void command_progress(struct run *run)
{
    const struct job_progress *rows;
    uint32_t n = job_progress(run->job, &rows);

    for (uint32_t r = 0; r < n; r++) {
        fprintf(run->out, "    rank %" PRIu32 " low %" PRIu64 ":%" PRIu64 " acknowledged",
                rows[r].rank, rows[r].low.epoch, rows[r].low.step);
        for (uint32_t i = 0; i < rows[r].acked_bytes * 8; i++) {
            if (rows[r].acked[i / 8] >> (i % 8) & 1)
                fprintf(run->out, " %" PRIu64, rows[r].low.step + i);
        }
        fputc('\n', run->out);
    }
}

static const struct {
    const char *name;
    enum job_event_kind kind;
} events[] = {
    {"open", JOB_OPEN},
    {"credit", JOB_CREDIT},
    {"ack", JOB_ACK},
    {"touch", JOB_TOUCH},
    {"release", JOB_RELEASE},
    {"close", JOB_CLOSE},
    {"lost", JOB_LOST},
    {"resume", JOB_RESUME},
    {"ready", JOB_READY},
    {"update", JOB_UPDATE},
    {"revision_stored", JOB_REVISION_STORED},
    {"progress_stored", JOB_PROGRESS_STORED},
    {"seek", JOB_SEEK},
    {"seek_stored", JOB_SEEK_STORED},
    {"flush", JOB_FLUSH},
    {"tick", JOB_TICK},
    {"drain", JOB_DRAIN},
};

/* "0:3,0:5" */
static void fill_holding(const char *word, struct job_event *event)
{
    static struct job_position holding[EVD_MAX_WINDOW];

    event->open.holding = holding;
    for (; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL)
        holding[event->open.held++] = position(word);
}

/* The line of the job as it is, up to revision `keep` and followed by a new one if asked for. */
static void fill_line(struct run *run, const struct command *command, struct job_event *event)
{
    static struct job_revision_info line[MAX_REVISIONS];
    uint32_t keep = (uint32_t)number(command, "keep", UINT32_MAX), n = 0;
    uint32_t revision = event->seek.revision;
    struct job_position at = event->seek.at;
    struct sampler_error refused;

    for (uint32_t i = 0; i < job_revisions(run->job) && job_revision(run->job, i).revision <= keep;
         i++)
        line[n++] = job_revision(run->job, i);
    if (has(command, "follow")) {
        line[n] = (struct job_revision_info){revision, at, line[n - 1].shape, NULL};
        n++;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool over = i + 1 < n && !position_before(at, line[i + 1].at);

        if (line[i].revision == revision)
            run->steps[line[i].revision] = run->steps[line[i - 1].revision];
        line[i].plan = over ? NULL : plan_make(run, line[i].revision, PLAN_OK);
        if (line[i].plan)
            plan_place(line[i].plan, line[i].at.epoch, line[i].at.step, line[i].shape, &refused);
    }
    event->seek.line = line;
    event->seek.line_count = n;
}

static void fill_seek(struct run *run, const struct command *command, struct job_event *event)
{
    event->seek.at = position(command->words[1]);
    event->seek.force = has(command, "force");
    event->seek.token = number(command, "token", 0);
    event->seek.generation = (uint32_t)number(command, "generation", 0);
    event->seek.revision = job_next_revision(run->job);
    fill_line(run, command, event);
}

static void fill_update(struct run *run, const struct command *command, struct job_event *event)
{
    const char *when = command->words[1];

    event->update.token = number(command, "token", 0);
    event->update.revision = (uint32_t)number(command, "revision", job_next_revision(run->job));
    event->update.plan = plan_of(run, command, event->update.revision);
    event->update.when = strcmp(when, "now") == 0     ? JOB_NOW
                         : strcmp(when, "epoch") == 0 ? JOB_NEXT_EPOCH
                                                      : JOB_AT;
    if (event->update.when == JOB_AT)
        event->update.at = position(option(command, "at"));
}

/* What a worker says or what happens to it; `worker` is the one that the command names. */
static void fill_worker(const struct command *command, struct worker *worker,
                        struct job_event *event)
{
    uint32_t window = (uint32_t)number(command, "window", 0);
    uint32_t generation = (uint32_t)number(command, "generation", 0);
    bool through = has(command, "through");

    switch (event->kind) {
    case JOB_OPEN:
        event->open.owner = worker;
        event->open.rank = (uint32_t)number(command, "rank", 0);
        event->open.world = (uint32_t)number(command, "world", 0);
        event->open.window = window;
        event->open.exclusive = has(command, "exclusive");
        if (option(command, "holding"))
            fill_holding(option(command, "holding"), event);
        break;
    case JOB_CREDIT:
        event->credit.stream = worker->stream;
        event->credit.window = window;
        break;
    case JOB_ACK:
        event->ack.stream = worker->stream;
        event->ack.generation = generation;
        event->ack.at = position(command->words[2]);
        event->ack.through = through;
        event->ack.token = number(command, "token", 0);
        break;
    case JOB_TOUCH:
        event->touch.stream = worker->stream;
        break;
    case JOB_RELEASE:
        event->release.stream = worker->stream;
        event->release.generation = generation;
        event->release.at = position(command->words[2]);
        event->release.through = through;
        break;
    case JOB_CLOSE:
        event->close.stream = worker->stream;
        break;
    case JOB_LOST:
        event->lost.stream = worker->stream;
        break;
    case JOB_RESUME:
        event->resume.stream = worker->stream;
        event->resume.owner = worker;
        event->resume.window = window;
        break;
    default:
        event->ready.stream = worker->stream;
        worker->full = false;
        break;
    }
}

static void event_fill(struct run *run, const struct command *command, struct job_event *event)
{
    switch (event->kind) {
    case JOB_UPDATE:
        fill_update(run, command, event);
        break;
    case JOB_SEEK:
        fill_seek(run, command, event);
        break;
    case JOB_REVISION_STORED:
    case JOB_SEEK_STORED:
    case JOB_PROGRESS_STORED:
        /* The three are one member of the union. */
        event->progress_stored.code = command->count > 1 ? code_named(command->words[1]) : EVD_OK;
        break;
    default:
        break;
    }
}

/* A refused event leaves its plans to whoever sent it. */
static void unref_plans(const struct job_event *event)
{
    if (event->kind == JOB_UPDATE)
        plan_unref(event->update.plan);
    for (uint32_t i = 0; event->kind == JOB_SEEK && i < event->seek.line_count; i++)
        plan_unref(event->seek.line[i].plan);
}

static void command_event(struct run *run, const struct command *command, enum job_event_kind kind)
{
    struct job_event event = {.kind = kind, .now = run->now};
    struct job_update update;
    struct worker *worker = NULL;
    struct evd_error err;
    int code;

    if (kind <= JOB_READY) {
        worker = worker_named(run, command->words[1]);
        fill_worker(command, worker, &event);
    } else {
        event_fill(run, command, &event);
    }
    code = job_step(run->job, &event, &update, &err);
    if (code)
        unref_plans(&event);
    else if (kind == JOB_OPEN || kind == JOB_LOST || kind == JOB_CLOSE)
        worker->stream = update.stream;
    carry_out(run, &update);
    if (code)
        refused(run, &err);
    while (run->silent && run->storing) {
        struct job_event stored = {.kind = JOB_PROGRESS_STORED, .now = run->now};
        struct job_update then;

        run->storing = false;
        if (job_step(run->job, &stored, &then, &err))
            die("progress_stored", err.message);
        carry_out(run, &then);
    }
    if (kind == JOB_RELEASE || (kind == JOB_OPEN && event.open.held))
        say(run, "held %" PRIu32, update.held);
}

static void command_run(struct run *run, const struct command *command)
{
    const char *name = command->words[0];

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(events[i].name, name) == 0) {
            command_event(run, command, events[i].kind);
            return;
        }
    }
    if (strcmp(name, "job") == 0)
        command_job(run, command);
    else if (strcmp(name, "restart") == 0)
        command_restart(run);
    else if (strcmp(name, "now") == 0)
        run->now = strtoull(command->words[1], NULL, 10);
    else if (strcmp(name, "deadline") == 0)
        say(run, job_deadline(run->job) == UINT64_MAX ? "none" : "%" PRIu64,
            job_deadline(run->job));
    else if (strcmp(name, "full") == 0)
        worker_named(run, command->words[1])->full = true;
    else if (strcmp(name, "state") == 0)
        command_state(run);
    else if (strcmp(name, "progress") == 0)
        command_progress(run);
    else
        die("unknown command", name);
}

static void run_line(struct run *run, const char *line, size_t len)
{
    char copy[256];
    struct command command = {0};

    if (len >= sizeof(copy))
        die("line too long", line);
    memcpy(copy, line, len);
    copy[len] = '\0';
    fprintf(run->out, "%s\n", copy);
    if (copy[0] == '#')
        return;
    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (command.count == MAX_WORDS)
            die("too many words", line);
        command.words[command.count++] = word;
    }
    if (command.count)
        command_run(run, &command);
}

char *trace_run(const char *text)
{
    struct run run = {0};
    char *result = NULL;
    size_t size = 0;

    run.out = open_memstream(&result, &size);
    if (!run.out)
        die("memory", "");
    while (*text) {
        size_t len = strcspn(text, "\n");

        if (strncmp(text, "    ", 4) != 0)
            run_line(&run, text, len);
        text += len + (text[len] == '\n');
    }
    job_free(run.job);
    fclose(run.out);
    return result;
}
