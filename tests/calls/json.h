/*
 * JSON to MessagePack and back, in the spelling that harness.h explains.
 */
#ifndef TESTS_CALLS_JSON_H
#define TESTS_CALLS_JSON_H

#include "harness.h"
#include "proto/pack.h"

json_t *json_vof(const char *format, va_list ap);
void pack_json(msgpack_packer *pk, const json_t *value);
json_t *json_from(const msgpack_object *object);

#endif
