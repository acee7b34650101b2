/*
 * What the fuzz targets share: properties that end the process when broken, and a count of the
 * bytes that were allocated.
 */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/guard.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(property) check((property), #property, __FILE__, __LINE__)
void check(int holds, const char *property, const char *file, int line);

/* An error that can be sent and printed. */
void check_error(const struct evd_error *err);

/* Passes one object over the guard, whole and in pieces cut by the bytes themselves, and checks
 * that both say the same. The guard as it is after the whole. */
struct guard check_guard(const struct guard_limits *limits, const uint8_t *data, size_t n);

/* message_decode of what the guard passed: it must be MessagePack, and stay within the memory that
 * the guard's count allows. Returns its result. */
int check_decode(struct message *msg, const struct guard *guard, const uint8_t *data);

#endif
