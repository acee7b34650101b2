#include "support.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

static int digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

int hex_append(struct evd_buf *buf, const char *hex)
{
    while (*hex) {
        if (*hex == '#') {
            hex += strcspn(hex, "\n");
        } else if (isspace((unsigned char)*hex) || *hex == ',') {
            hex++;
        } else if (digit(hex[0]) >= 0 && digit(hex[1]) >= 0) {
            uint8_t byte = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));

            buf_append(buf, &byte, 1);
            hex += 2;
        } else {
            return -1;
        }
    }
    return buf->failed ? -1 : 0;
}

uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Mostly short, sometimes long enough for the next width of its count. */
static size_t random_length(uint64_t *state, size_t longest)
{
    uint64_t r = test_random(state);

    return r % 8 ? r % 5 : r >> 8 & 1 ? (r >> 16) % 40 : (r >> 16) % longest;
}

static void pack_random_bytes(msgpack_packer *pk, uint64_t *state, bool text)
{
    static const char bytes[70000];
    size_t n = random_length(state, sizeof(bytes));

    if (text) {
        pack_text(pk, bytes, n);
    } else {
        msgpack_pack_bin(pk, n);
        msgpack_pack_bin_body(pk, bytes, n);
    }
}

static void pack_random_container(msgpack_packer *pk, uint64_t *state, uint32_t depth)
{
    bool map = test_random(state) & 1;
    size_t n = random_length(state, depth > 2 ? 20 : 400);

    if (map)
        msgpack_pack_map(pk, n);
    else
        msgpack_pack_array(pk, n);
    for (size_t i = 0; i < (map ? 2 * n : n); i++)
        pack_random(pk, state, depth - 1);
}

void pack_random(msgpack_packer *pk, uint64_t *state, uint32_t depth)
{
    uint64_t number = test_random(state) >> test_random(state) % 64;

    switch (test_random(state) % (depth > 0 ? 11 : 8)) {
    case 0:
        msgpack_pack_nil(pk);
        break;
    case 1:
        msgpack_pack_true(pk);
        break;
    case 2:
        msgpack_pack_uint64(pk, number);
        break;
    case 3:
        msgpack_pack_int64(pk, -(int64_t)(number >> 1));
        break;
    case 4:
        msgpack_pack_float(pk, (float)number);
        break;
    case 5:
        msgpack_pack_double(pk, (double)number);
        break;
    case 6:
        pack_random_bytes(pk, state, true);
        break;
    case 7:
        pack_random_bytes(pk, state, false);
        break;
    default:
        pack_random_container(pk, state, depth);
    }
}

static void print_text(FILE *to, const msgpack_object_str *text)
{
    fputc('"', to);
    for (uint32_t i = 0; i < text->size; i++) {
        if (text->ptr[i] == '"' || text->ptr[i] == '\\')
            fputc('\\', to);
        fputc(text->ptr[i], to);
    }
    fputc('"', to);
}

static void print_bin(FILE *to, const msgpack_object_bin *bin)
{
    fputs("bin(", to);
    for (uint32_t i = 0; i < bin->size; i++)
        fprintf(to, i > 0 && i % 4 == 0 ? " %02x" : "%02x", (uint8_t)bin->ptr[i]);
    fputc(')', to);
}

static void print_map(FILE *to, const msgpack_object_map *map)
{
    fputc('{', to);
    for (uint32_t i = 0; i < map->size; i++) {
        if (i > 0)
            fputs(", ", to);
        print_object(to, &map->ptr[i].key);
        fputs(": ", to);
        print_object(to, &map->ptr[i].val);
    }
    fputc('}', to);
}

void print_object(FILE *to, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        fputs(object->via.boolean ? "true" : "false", to);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        fprintf(to, "%" PRIu64, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        fprintf(to, "%" PRId64, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        fprintf(to, "%g", object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        print_text(to, &object->via.str);
        break;
    case MSGPACK_OBJECT_BIN:
        print_bin(to, &object->via.bin);
        break;
    case MSGPACK_OBJECT_MAP:
        print_map(to, &object->via.map);
        break;
    case MSGPACK_OBJECT_ARRAY:
        fputc('[', to);
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            if (i > 0)
                fputs(", ", to);
            print_object(to, &object->via.array.ptr[i]);
        }
        fputc(']', to);
        break;
    default:
        fputs("nil", to);
    }
}
