/*
 * A real evendrawd for a test: its own process, socket and database in a temporary folder.
 * Everything here fails the test (or ends the process, outside of one) when it does not work.
 */
#ifndef INTEGRATION_SERVER_H
#define INTEGRATION_SERVER_H

#include <evendraw.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct server {
    const char *program;        /* of evendrawd; NULL: the one just built */
    const char *const *options; /* further arguments, ended by NULL; or NULL */
    pid_t pid;
    char dir[64];      /* made by the first server_start */
    char address[128]; /* "unix:..." */
};

/* Starts the daemon and waits until it answers. Again on the same server: the same database. */
void server_start(struct server *server);
/* SIGTERM; the daemon must end by itself with status 0. */
void server_stop(struct server *server);
/* SIGKILL. */
void server_kill(struct server *server);
/* Stops it if it runs, and removes the folder. */
void server_remove(struct server *server);
/* For programs whose tests share one daemon without options, as setup and teardown of the group. */
extern struct server the_daemon;
int daemon_setup(void **state);
int daemon_teardown(void **state);
/* Resident memory in bytes. */
uint64_t server_rss(const struct server *server);

/* One call over a connection of its own would be slow: tests keep a client. */
evd_client *server_dial(const struct server *server);
/* The result; the call must succeed. `params` is JSON text or NULL. Free with json_decref. */
json_t *ask(evd_client *client, const char *method, const char *params);
/* As ask, for calls whose result nobody wants. */
void tell(evd_client *client, const char *method, const char *params);
/* The call must be refused with that code, and a message. */
void refused(evd_client *client, const char *method, const char *params, int code);

/* A field of a result: "epoch", "acked.step". The field must be there. */
uint64_t number(const json_t *result, const char *path);
const char *text(const json_t *result, const char *path);

/* A dataset of `classes` classes "c0", "c1", ... in which class c has about 1/(c+1) of class 0's
 * share, in an order that only `samples` and `classes` determine. */
void load(evd_client *client, const char *name, uint64_t samples, uint32_t classes);
uint32_t load_label(uint64_t sample, uint32_t classes); /* the label that load gave a sample */

#endif
