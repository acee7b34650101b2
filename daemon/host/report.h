/*
 * What offline.c prints of a database: a line for each thing, or one JSON object.
 */
#ifndef HOST_REPORT_H
#define HOST_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "server/server.h"

struct report {
    bool json, repair;                                /* as asked for */
    const char *database;                             /* NULL: it is not known which */
    bool terminal;                                    /* somebody watches standard error */
    bool list_open;                                   /* JSON: an array has begun, */
    bool list_used;                                   /* and has something in it */
    uint64_t findings;                                /* in the file as a whole */
    unsigned list;                                    /* JSON: of which kind of things it is */
    uint64_t things[SERVER_KINDS], bad[SERVER_KINDS]; /* of each kind: all of them, and damaged */
};

/* In this order: begin; what is found in the file; then things; then notes; end. */
void report_begin(struct report *report);
/* What is going on, for who watches. */
void report_stage(struct report *report, const char *what);
void report_finding(struct report *report, const char *what);
void report_things(struct report *report); /* in the order of their kinds they follow */
void report_thing(struct report *report, const struct server_thing *thing);
void report_notes(struct report *report); /* what is worth knowing of what is sound follows */
void report_note(struct report *report, const char *what);
/* `repaired`: the new file, or NULL. */
void report_end(struct report *report, const char *repaired);
/* In place of all that was still to come: why. */
void report_fail(struct report *report, const char *why);
bool report_sound(const struct report *report);

#endif
