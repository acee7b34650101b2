/*
 * The protocol server without sockets: a host of one thread, the real store in a temporary file,
 * and peers that speak JSON (turned into MessagePack, and back).
 *
 * In JSON texts ' stands for ". {'$bin': 'hex'} becomes bin, {'$f64': 'nan'} that number.
 */
#ifndef TESTS_CALLS_HARNESS_H
#define TESTS_CALLS_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include "proto/limits.h"
#include "server/port.h"

/* What the harness tells the server of memory. */
#define HARNESS_RESIDENT    (1 << 30)
#define HARNESS_PROCESS     (4 << 20)
#define HARNESS_CONNECTIONS 1000
#define HARNESS_BUFFERS     7
#define HARNESS_SHED        3

struct peer {
    struct harness *harness;
    struct session_port *session; /* NULL once closed */
    struct evd_buf in;            /* bytes received, not yet parsed */
    uint32_t last_id;
    json_t *answers; /* [id, error, result] of requests not yet asked for */
    json_t *notes;   /* [method, params] not yet taken */
    bool slow;       /* does not read */
    bool hung_up;    /* the server asked to close */
    bool other;      /* it is not a process of the daemon's own user */
    bool preferred;  /* it has workers, which the host serves first */
    struct peer *next;
};

struct harness {
    char folder[64], path[96];
    struct store *store;
    struct server *server;
    uint64_t now, wall, due; /* ms, s, ms */
    uint64_t randoms;
    bool armed;
    struct server_limits limits; /* for the next harness_up */
    bool hold_work;              /* work waits until work_run */
    struct server_work *work[WORKS_THREADS];
    uint32_t work_count;
    struct peer *peers;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
    char warning[1024], notice[1024]; /* the last ones logged */
    const char *backup_dir;           /* for the next harness_up: as in struct server_host */
    const char *trace;                /* for the next harness_up: as in struct server_host */
    char traced[16384];               /* the lines of it, each ended by a newline */
    bool *inside; /* where to say that the server's code runs; NULL: nobody asks */
};

/* For tests that need no more: *state is a harness with a new database. */
int harness_setup(void **state);
int harness_teardown(void **state);

void harness_start(struct harness *h);   /* a new database */
void harness_restart(struct harness *h); /* stop and start on the same database; peers are gone */
void harness_stop(struct harness *h);    /* and removes the database */
void harness_down(struct harness *h);    /* stop only */
void harness_up(struct harness *h);
/* Says whether what follows is the server's; returns what was said before. */
bool harness_inside(struct harness *h, bool now);
/* Does all that can be done now; waits for nothing. */
void harness_pump(struct harness *h);
/* Until the store has nothing left to write, so that what follows from its commits has come. */
void harness_quiet(struct harness *h);
/* Waits until the store has something to collect. */
void harness_wait(struct harness *h);
/* Runs what threads would run, also what follows from that; returns how many there were. */
uint32_t work_run(struct harness *h);
void harness_tick(struct harness *h); /* time goes on until the next tick is due */
void harness_pass(struct harness *h, uint64_t milliseconds);

struct peer *peer_connect(struct harness *h); /* says nothing yet */
struct peer *peer_new(struct harness *h);     /* says hello */
void peer_silent(struct peer *peer);          /* it sends no more, and still reads */
void peer_close(struct peer *peer);           /* the connection ends */
uint32_t peer_send(struct peer *peer, const char *method, const char *params, ...)
    __attribute__((format(printf, 3, 4)));
void peer_notify(struct peer *peer, const char *method, const char *params, ...)
    __attribute__((format(printf, 3, 4)));
void peer_bytes(struct peer *peer, const void *bytes, size_t n);
/* Waits for the answer, and for rest: [id, error, result], to be given back by json_decref. */
json_t *peer_answer(struct peer *peer, uint32_t id);
/* The same, for the result alone. Fails on an error. */
json_t *peer_result(struct peer *peer, uint32_t id);
json_t *peer_call(struct peer *peer, const char *method, const char *params, ...)
    __attribute__((format(printf, 3, 4)));
void peer_do(struct peer *peer, const char *method, const char *params, ...)
    __attribute__((format(printf, 3, 4))); /* the result does not matter */
/* The call must fail with that error; returns the message, valid until the next. */
const char *peer_refused(struct peer *peer, int code, const char *method, const char *params, ...)
    __attribute__((format(printf, 4, 5)));
const char *peer_error(struct peer *peer, uint32_t id, int code);
bool peer_answered(struct peer *peer, uint32_t id);
/* Takes an answer that has come; false if it is an error. */
bool peer_succeeded(struct peer *peer, uint32_t id);
/* The next notification of that method, out of turn if need be; NULL if there is none now. */
json_t *peer_note(struct peer *peer, const char *method);
/* The next notification as [method, params]; NULL if there is none now. */
json_t *peer_next(struct peer *peer);
/* Takes and drops what there is. */
void peer_forget(struct peer *peer);

json_t *json_of(const char *text, ...) __attribute__((format(printf, 1, 2)));
int64_t integer(const json_t *map, const char *key);
const char *text(const json_t *map, const char *key);
const char *bin(const json_t *map, const char *key); /* in hex */
double real(const json_t *map, const char *key);

#endif
