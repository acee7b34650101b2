/* Prints what is found in a database (report.h). */
#include "host/report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/text.h"

#define TEXT_BYTES 2048

/* ---- JSON ---- */

static void put_json(const char *text)
{
    size_t n = strlen(text);

    putchar('"');
    while (n > 0) {
        size_t len = utf8_length(text, n);

        if (len == 0) {
            fputs("\\ufffd", stdout);
            len = 1;
        } else if (len == 1 && ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')) {
            printf("\\u%04x", (unsigned)*text);
        } else {
            fwrite(text, 1, len, stdout);
        }
        text += len;
        n -= len;
    }
    putchar('"');
}

static void open_list(struct report *report, const char *name)
{
    if (report->list_open)
        fputs("]", stdout);
    printf(",\n \"%s\": [", name);
    report->list_open = true;
    report->list_used = false;
}

static void next_item(struct report *report)
{
    fputs(report->list_used ? ",\n  " : "\n  ", stdout);
    report->list_used = true;
}

/* Nouns of the kinds of things. */
static const char *const nouns[SERVER_KINDS] = {
    [SERVER_DATASET] = "dataset", [SERVER_ATTACHMENT] = "attachment", [SERVER_JOB] = "job"};

/* The list of a kind, after those before it, which may be empty. */
static void list_of(struct report *report, unsigned kind)
{
    char name[32];

    while (report->list < kind) {
        snprintf(name, sizeof(name), "%ss", nouns[++report->list]);
        open_list(report, name);
    }
}

static void json_thing(struct report *report, const struct server_thing *thing)
{
    list_of(report, thing->kind);
    next_item(report);
    printf("{\"%s\": ", nouns[thing->kind]);
    put_json(thing->name);
    if (thing->kind == SERVER_ATTACHMENT) {
        fputs(", \"dataset\": ", stdout);
        put_json(thing->dataset);
    }
    if (thing->kind != SERVER_JOB)
        printf(", \"version\": %" PRIu32 ", \"samples\": %" PRIu64, thing->version, thing->samples);
    fputs(", \"damage\": ", stdout);
    if (thing->damage)
        put_json(thing->damage);
    else
        fputs("null", stdout);
    putchar('}');
}

/* ---- for people ---- */

/* The line of what is going on, away. */
static void clear_stage(const struct report *report)
{
    if (report->terminal)
        fputs("\r\033[K", stderr);
}

static void print_line(const struct report *report, const char *head, const char *text)
{
    char safe[TEXT_BYTES];

    clear_stage(report);
    text_escape(safe, sizeof(safe), text);
    printf("%s%s\n", head, safe);
}

static void print_thing(const struct report *report, const struct server_thing *thing)
{
    const char *word = report->repair ? "DROPPED" : "DAMAGED";
    char text[TEXT_BYTES], name[256], of[256];
    size_t n;

    text_escape(name, sizeof(name), thing->name);
    if (thing->kind == SERVER_DATASET)
        n = (size_t)snprintf(text, sizeof(text),
                             "dataset %s, version %" PRIu32 ": %" PRIu64 " samples", name,
                             thing->version, thing->samples);
    else if (thing->kind == SERVER_JOB)
        n = (size_t)snprintf(text, sizeof(text), "job %s", name);
    else {
        text_escape(of, sizeof(of), thing->dataset);
        n = (size_t)snprintf(text, sizeof(text), "attachment %s of dataset %s, version %" PRIu32,
                             name, of, thing->version);
    }
    clear_stage(report);
    printf("%s", text);
    if (thing->damage) {
        text_escape(text + n, sizeof(text) - n, thing->damage);
        printf(": %s: %s", word, text + n);
    } else {
        printf("%s", report->repair ? ", kept" : ", sound");
    }
    putchar('\n');
}

/* ---- both ---- */

void report_begin(struct report *report)
{
    report->terminal = isatty(STDERR_FILENO);
    if (!report->json)
        return;
    fputs("{\"database\": ", stdout);
    if (report->database)
        put_json(report->database);
    else
        fputs("null", stdout);
    open_list(report, "findings");
}

void report_stage(struct report *report, const char *what)
{
    if (report->terminal)
        fprintf(stderr, "\r\033[K%s ...", what);
}

void report_finding(struct report *report, const char *what)
{
    report->findings++;
    if (report->json) {
        next_item(report);
        put_json(what);
    } else {
        print_line(report, "the file: DAMAGED: ", what);
    }
}

void report_things(struct report *report)
{
    if (report->json)
        open_list(report, "datasets");
}

void report_thing(struct report *report, const struct server_thing *thing)
{
    report->things[thing->kind]++;
    report->bad[thing->kind] += thing->damage != NULL;
    if (report->json)
        json_thing(report, thing);
    else
        print_thing(report, thing);
}

void report_notes(struct report *report)
{
    if (!report->json)
        return;
    list_of(report, SERVER_JOB);
    open_list(report, "notes");
}

void report_note(struct report *report, const char *what)
{
    if (report->json) {
        next_item(report);
        put_json(what);
    } else {
        print_line(report, "note: ", what);
    }
}

bool report_sound(const struct report *report)
{
    uint64_t wrong = report->findings;

    for (size_t i = 0; i < SERVER_KINDS; i++)
        wrong += report->bad[i];
    return wrong == 0;
}

/* As a shell takes it. */
static void print_path(const char *before, const char *path, const char *end)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=:,.@%/";

    printf("%s", before);
    if (path[strspn(path, plain)] == '\0') {
        printf("%s%s", path, end);
        return;
    }
    putchar('\'');
    for (; *path; path++) {
        if (*path == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*path);
    }
    printf("'%s", end);
}

static void print_move(const char *from, const char *to, const char *end)
{
    print_path("  mv ", from, " ");
    print_path("", to, end);
}

/* An old log beside the new file would be taken for its own. */
static void print_repaired(const char *file, const char *repaired)
{
    char path[PATH_MAX], log[PATH_MAX];

    print_path("What is sound is in ", repaired, "; ");
    print_path("", file, " is as it was. To go on with the new file:\n");
    print_path("  evendrawd --database ", repaired, "\n");
    printf("or, in the place of the old one:\n");
    snprintf(path, sizeof(path), "%s.damaged", file);
    print_move(file, path, "\n");
    if (snprintf(log, sizeof(log), "%s-wal", file) > 0 && access(log, F_OK) == 0) {
        snprintf(path, sizeof(path), "%s.damaged-wal", file);
        print_move(log, path, "\n");
    }
    print_move(repaired, file, "\n");
}

/* "2 datasets, 1 jobs", or how many of how many. Few have attachments. */
static void print_counts(const struct report *report)
{
    const char *between = "";

    for (size_t i = 0; i < SERVER_KINDS; i++) {
        if (i == SERVER_ATTACHMENT && report->things[i] == 0)
            continue;
        printf("%s", between);
        if (!report_sound(report))
            printf("%" PRIu64 " of ", report->bad[i]);
        printf("%" PRIu64 " %ss", report->things[i], nouns[i]);
        between = ", ";
    }
    putchar('\n');
}

static void print_end(const struct report *report, const char *repaired)
{
    const char *file = report->database;

    clear_stage(report);
    if (report_sound(report))
        printf("%s is sound: ", file);
    else
        printf("%s is DAMAGED: %" PRIu64 " findings in the file, ", file, report->findings);
    print_counts(report);
    if (repaired)
        print_repaired(file, repaired);
    else if (!report_sound(report))
        print_path("Restore it from a backup; or \"evendraw repair --database ", file,
                   "\" makes another file of what is sound\n");
}

void report_end(struct report *report, const char *repaired)
{
    if (!report->json) {
        print_end(report, repaired);
        return;
    }
    fputs("],\n \"repaired\": ", stdout);
    if (repaired)
        put_json(repaired);
    else
        fputs("null", stdout);
    printf(",\n \"sound\": %s}\n", report_sound(report) ? "true" : "false");
}

/* Who asked for JSON gets all of an object. */
void report_fail(struct report *report, const char *why)
{
    clear_stage(report);
    if (!report->json)
        return;
    fputs("],\n \"error\": ", stdout);
    put_json(why);
    fputs("}\n", stdout);
}
