/*
 * Tables of what answers and notifications hold. Read by the client, to tell notifications apart,
 * by the packer of maps in builds with EVD_CHECKS, and by the test of PROTOCOL.md.
 */
#include "proto/answers.h"

#include <string.h>

#define KEY_IS_str         .type = KEY_str
#define KEY_IS_u32         .type = KEY_u32
#define KEY_IS_u64         .type = KEY_u64
#define KEY_IS_f64         .type = KEY_f64
#define KEY_IS_boolean     .type = KEY_boolean
#define KEY_IS_array       .type = KEY_array
#define KEY_IS_dict        .type = KEY_dict
#define KEY_IS_column      .type = KEY_column
#define KEY_IS_bin         .type = KEY_bin
#define KEY_IS_map(id)     .type = KEY_map, .part = &part_##id
#define KEY_IS_maps(id)    .type = KEY_maps, .part = &part_##id
#define KEY_IS_nullable(t) .nullable = true, KEY_IS_##t
#define KEY_IS_maybe(t)    .maybe = true, KEY_IS_##t

#define KEY_ROW(is, key) {.name = #key, KEY_IS_##is},
#define SHAPE(wire, rows)                                                                          \
    {                                                                                              \
        wire, rows, sizeof(rows) / sizeof((rows)[0])                                               \
    }

#define PART_TABLE(id)                                                                             \
    static const struct key_desc part_keys_##id[] = {EVD_PART_##id(KEY_ROW)};                      \
    static const struct shape part_##id = SHAPE(#id, part_keys_##id);
EVD_PARTS(PART_TABLE)

#define ANSWER_KEYS(id, ...)                                                                       \
    static const struct key_desc answer_keys_##id[] = {EVD_ANSWER_##id(KEY_ROW)};
EVD_METHODS(ANSWER_KEYS)
#define ANSWER_ROW(id, wire, traits) [METHOD_##id] = SHAPE(wire, answer_keys_##id),
const struct shape answer_table[METHOD_COUNT] = {EVD_METHODS(ANSWER_ROW)};

#define NOTE_KEYS(id) static const struct key_desc note_keys_##id[] = {EVD_NOTE_##id(KEY_ROW)};
EVD_NOTES(NOTE_KEYS)
#define NOTE_ROW(id) [NOTE_##id] = SHAPE(#id, note_keys_##id),
const struct shape note_table[NOTE_COUNT] = {EVD_NOTES(NOTE_ROW)};

int note_find(struct evd_str name)
{
    for (int i = 0; i < NOTE_COUNT; i++) {
        if (str_is(name, note_table[i].name))
            return i;
    }
    return -1;
}

const struct shape *shape_find(const char *wire)
{
    struct evd_str name = {wire, (uint32_t)strlen(wire)};
    int method = method_find(name.data, name.len), note = note_find(name);

    if (method >= 0)
        return &answer_table[method];
    return note >= 0 ? &note_table[note] : NULL;
}

int shape_key(const struct shape *shape, struct evd_str key)
{
    for (uint32_t i = 0; i < shape->count; i++) {
        if (str_is(key, shape->keys[i].name))
            return (int)i;
    }
    return -1;
}
