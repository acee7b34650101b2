/*
 * What the tests of the wire share: hex, random objects, and objects as text.
 */
#ifndef TESTS_PROTO_SUPPORT_H
#define TESTS_PROTO_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <msgpack.h>
#include "proto/pack.h"

/* Appends the bytes of hex digits; spaces, commas, newlines and what follows '#' in a line do not
 * count. Returns 0, or -1 for anything else. */
int hex_append(struct evd_buf *buf, const char *hex);

/* A generator for tests (splitmix64): the same numbers everywhere. */
uint64_t test_random(uint64_t *state);
/* A random object of every type that the protocol has, at most `depth` containers deep. */
void pack_random(msgpack_packer *pk, uint64_t *state, uint32_t depth);

/* As PROTOCOL.md writes objects: JSON, with nil, and bin(01000000 ...) in groups of four bytes. */
void print_object(FILE *to, const msgpack_object *object);

#endif
