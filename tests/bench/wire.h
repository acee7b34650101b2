/*
 * What bench workers and the bare server say to one another: the acknowledgement of the protocol,
 * written with numbers of fixed width so that a server which knows that can read it by offset.
 * For evendrawd it is an ordinary stream.ack notification.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdint.h>
#include <string.h>

#define BENCH_WINDOW 8u

#define ACK_HEAD "\x93\x02\xaastream.ack\x91\x84\xa6stream\xce"
#define ACK_EPOCH                                                                                  \
    "\xa5"                                                                                         \
    "epoch\xcf"
#define ACK_STEP "\xa4step\xcf"
#define ACK_TAIL "\xa7through\xc3"

#define ACK_STREAM_AT (sizeof ACK_HEAD - 1)
#define ACK_EPOCH_AT  (ACK_STREAM_AT + 4 + sizeof ACK_EPOCH - 1)
#define ACK_STEP_AT   (ACK_EPOCH_AT + 8 + sizeof ACK_STEP - 1)
#define ACK_SIZE      (ACK_STEP_AT + 8 + sizeof ACK_TAIL - 1)

static inline void wire_put(uint8_t *at, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static inline uint64_t wire_get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | *at++;
    return value;
}

/* Acknowledges that step and every one before it that the stream was given. */
static inline void wire_ack(uint8_t out[ACK_SIZE], uint32_t stream, uint64_t epoch, uint64_t step)
{
    memcpy(out, ACK_HEAD, sizeof ACK_HEAD - 1);
    wire_put(out + ACK_STREAM_AT, stream, 4);
    memcpy(out + ACK_STREAM_AT + 4, ACK_EPOCH, sizeof ACK_EPOCH - 1);
    wire_put(out + ACK_EPOCH_AT, epoch, 8);
    memcpy(out + ACK_EPOCH_AT + 8, ACK_STEP, sizeof ACK_STEP - 1);
    wire_put(out + ACK_STEP_AT, step, 8);
    memcpy(out + ACK_STEP_AT + 8, ACK_TAIL, sizeof ACK_TAIL - 1);
}

#endif
