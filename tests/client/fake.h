/*
 * A daemon that does what a script says: a thread with one connection, for tests of what a client
 * does with good and bad answers. The script's functions end the test program if the client does
 * not send what is expected.
 */
#ifndef TESTS_CLIENT_FAKE_H
#define TESTS_CLIENT_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include "proto/batch.h"
#include "proto/pack.h"
#include "proto/guard.h"
#include "proto/message.h"

struct fake {
    char folder[64], address[96];
    int listener, fd;
    pthread_t thread;
    void (*script)(struct fake *fake);
    struct evd_buf in, out;
    size_t taken; /* bytes of `in` that belonged to the last message */
    struct message msg;
    msgpack_packer pk; /* packs into out */
    void *arg;         /* the script's own */
    uint32_t stream;   /* the one opened last: batches are for it */
    int reads;         /* calls of recv that brought something */
};

void fake_start(struct fake *fake, void (*script)(struct fake *fake), void *arg);
void fake_stop(struct fake *fake); /* waits for the script's end */

/* ---- for scripts ---- */

/* The next message into fake->msg; false at the end of the connection. */
bool fake_next(struct fake *fake);
void fake_wait_end(struct fake *fake); /* takes whatever comes until then */
/* The next message, which must be this method. Its one map of params. */
const msgpack_object *fake_expect(struct fake *fake, const char *method);
uint64_t fake_u64(const msgpack_object *map, const char *key); /* or UINT64_MAX */
/* Starts the answer to the last request, or a notification: the caller packs the entries of its
 * map. It ends with the next message, or fake_send. */
msgpack_packer *fake_result(struct fake *fake);
void fake_note(struct fake *fake, const char *method);
void fake_error(struct fake *fake, int code, const char *message); /* its detail is "thing" */
void fake_error_of(struct fake *fake, int code, const char *detail, const char *message);
void fake_send(struct fake *fake);
void fake_bytes(struct fake *fake, const void *bytes, size_t n);
/* Ends the connection, and waits for the client to come again. */
void fake_again(struct fake *fake);

void fake_hello(struct fake *fake);
/* Also gives the session number 5 and the key 77; says whether it was resumed. The client's map. */
const msgpack_object *fake_hello_session(struct fake *fake, bool resumed);
/* Answers stream.open: stream 1 of job "train", packed u32. */
void fake_stream(struct fake *fake, const char *mode, uint32_t window);
/* Answers a stream.open that was taken: stream `id`; the caller may pack more entries. */
msgpack_packer *fake_open(struct fake *fake, uint32_t id, const char *mode, uint32_t window);
/* Packs a batch: indices step * 10 + 0, 1, ... and labels 0, 1, ... */
void fake_batch(struct fake *fake, uint64_t epoch, uint64_t step, uint32_t n, bool label);
void fake_epoch_end(struct fake *fake, uint64_t epoch);
void fake_closed(struct fake *fake, int code, const char *message);

#endif
