/*
 * NPZ, as numpy.savez writes it: a zip archive whose members are .npy files, stored or deflated.
 * The array that --column names, or the only one, is copied to an unnamed temporary file and read
 * from there as NPY.
 *
 * What the archive says of places and sizes is checked against the file, and the member against its
 * size and checksum. Archives of over 4 GiB (zip64) and encrypted ones are refused.
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_SIZE      22u /* bytes of the record at the end, without its comment */
#define END_MOST      (END_SIZE + 65535u)
#define ENTRY_SIZE    46u         /* of an entry of the directory, without its name */
#define MEMBER_SIZE   30u         /* of the header in front of a member, likewise */
#define DIRECTORY_MAX (16u << 20) /* bytes */
#define NAMES_SHOWN   200u        /* bytes of the arrays' names in messages */

struct member {
    const unsigned char *name; /* with ".npy" */
    size_t name_len;
    unsigned flags, method;
    uint32_t crc, packed, size, offset;
};

static uint32_t u16(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const unsigned char *at)
{
    return u16(at) | u16(at + 2) << 16;
}

static bool damaged(struct source *source)
{
    return source_error(source, "is a damaged or very large zip archive: store the labels with "
                                "numpy.save");
}

static bool read_at(struct source *source, uint64_t offset, void *bytes, unsigned size)
{
    if (gzseek(source->gz, (z_off_t)offset, SEEK_SET) >= 0 &&
        source_bytes(source, bytes, size) == (int)size)
        return true;
    damaged(source);
    return false;
}

/* ---- the directory ---- */

/* Reads the directory, of which the record at the end of the file says where it is; NULL after a
 * message. */
static unsigned char *read_directory(struct source *source, uint32_t *size)
{
    unsigned most = source->file_bytes < END_MOST ? (unsigned)source->file_bytes : END_MOST;
    unsigned char *tail = malloc(most + 1u), *directory = NULL;
    long at = (long)most - (long)END_SIZE;
    uint32_t offset = 0;

    if (!tail) {
        source_error(source, "no memory to read it");
        return NULL;
    }
    if (!read_at(source, source->file_bytes - most, tail, most)) {
        free(tail);
        return NULL;
    }
    while (at >= 0 && memcmp(tail + at, "PK\5\6", 4) != 0)
        at--;
    *size = at >= 0 ? u32(tail + at + 12) : UINT32_MAX;
    offset = at >= 0 ? u32(tail + at + 16) : 0;
    free(tail);
    if (*size > DIRECTORY_MAX || (uint64_t)offset + *size > source->file_bytes) {
        damaged(source);
        return NULL;
    }
    directory = malloc(*size + 1u);
    if (!directory)
        source_error(source, "no memory to read it");
    else if (!read_at(source, offset, directory, *size)) {
        free(directory);
        directory = NULL;
    }
    return directory;
}

/* The next entry, from *at on; false: there is none. */
static bool next_member(const unsigned char *directory, uint32_t size, uint32_t *at,
                        struct member *member)
{
    const unsigned char *entry = directory + *at;
    uint64_t len = ENTRY_SIZE;

    if (size - *at < ENTRY_SIZE || memcmp(entry, "PK\1\2", 4) != 0)
        return false;
    len += (uint64_t)u16(entry + 28) + u16(entry + 30) + u16(entry + 32);
    if (len > size - *at)
        return false;
    *member = (struct member){.name = entry + ENTRY_SIZE,
                              .name_len = u16(entry + 28),
                              .flags = u16(entry + 8),
                              .method = u16(entry + 10),
                              .crc = u32(entry + 16),
                              .packed = u32(entry + 20),
                              .size = u32(entry + 24),
                              .offset = u32(entry + 42)};
    *at += (uint32_t)len;
    return true;
}

/* Its length without ".npy"; 0: it is no array. */
static size_t array_name(const struct member *member)
{
    size_t n = member->name_len;

    return n > 4 && memcmp(member->name + n - 4, ".npy", 4) == 0 ? n - 4 : 0;
}

/* What a zip archive without arrays is. */
static bool no_arrays(struct source *source, const unsigned char *directory, uint32_t size)
{
    struct member member;
    uint32_t at = 0;

    while (next_member(directory, size, &at, &member)) {
        if (member.name_len >= 8 && memcmp(member.name + member.name_len - 8, "data.pkl", 8) == 0)
            return source_error(source, "is a file of torch.save: load it in Python and store the "
                                        "labels with numpy.save(FILE, labels.numpy())");
        if (member.name_len == 19 && memcmp(member.name, "[Content_Types].xml", 19) == 0)
            return source_error(source, "is an Excel or other Office document: save the table as "
                                        "CSV");
    }
    return source_error(source, "is a zip archive without arrays: unpack it and load the file with "
                                "the labels, or the folder");
}

/* The array to read. */
static bool choose(struct source *source, const unsigned char *directory, uint32_t size,
                   struct member *chosen)
{
    char names[NAMES_SHOWN] = "";
    const char *wanted = source->column;
    size_t len = 0, arrays = 0;
    struct member member;
    uint32_t at = 0;

    while (next_member(directory, size, &at, &member)) {
        size_t n = array_name(&member);

        if (n == 0)
            continue;
        if (!wanted || (strlen(wanted) == n && memcmp(wanted, member.name, n) == 0)) {
            *chosen = member;
            if (wanted)
                return true;
        }
        arrays++;
        if (len < sizeof(names))
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.*s", len > 0 ? ", " : "",
                                    (int)n, (const char *)member.name);
    }
    if (arrays == 0)
        return no_arrays(source, directory, size);
    if (wanted)
        return source_error(source, "has no array '%s'; it has: %s%s", wanted, names,
                            len < sizeof(names) ? "" : "...");
    return arrays == 1 ||
           source_error(source, "say with --column which array holds the labels; it has: %s%s",
                        names, len < sizeof(names) ? "" : "...");
}

/* ---- the member ---- */

struct unpacking {
    struct source *source;
    int to;
    uint64_t written;
    uLong crc;
    const struct member *member;
};

static bool put(struct unpacking *unpacking, const unsigned char *bytes, size_t n)
{
    unpacking->written += n;
    if (unpacking->written > unpacking->member->size)
        return damaged(unpacking->source);
    unpacking->crc = crc32(unpacking->crc, bytes, (uInt)n);
    return source_write(unpacking->source, unpacking->to, bytes, n);
}

/* What comes out of `n` packed bytes; *end once the packed data says that it is whole. */
static bool inflate_block(struct unpacking *unpacking, z_stream *stream, unsigned char *packed,
                          unsigned n, bool *end)
{
    unsigned char out[65536];
    int code = Z_OK;

    stream->next_in = packed;
    stream->avail_in = n;
    while (code == Z_OK && (stream->avail_in > 0 || stream->avail_out == 0)) {
        stream->next_out = out;
        stream->avail_out = sizeof(out);
        code = inflate(stream, Z_NO_FLUSH);
        if (!put(unpacking, out, sizeof(out) - stream->avail_out))
            return false;
    }
    *end = code == Z_STREAM_END;
    return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR ||
           damaged(unpacking->source);
}

static bool copy_packed(struct unpacking *unpacking, z_stream *stream)
{
    unsigned char block[65536];
    uint32_t left = unpacking->member->packed;
    bool end = false, ok = true;

    while (ok && left > 0 && !end) {
        unsigned n = left < sizeof(block) ? left : (unsigned)sizeof(block);

        if (source_bytes(unpacking->source, block, n) != (int)n)
            return damaged(unpacking->source);
        ok = stream ? inflate_block(unpacking, stream, block, n, &end) : put(unpacking, block, n);
        left -= n;
    }
    if (ok && (unpacking->written != unpacking->member->size ||
               unpacking->crc != unpacking->member->crc || left > 0 || (stream && !end)))
        return damaged(unpacking->source);
    return ok;
}

static bool unpack(struct source *source, const struct member *member, int to)
{
    struct unpacking unpacking = {source, to, 0, crc32(0, NULL, 0), member};
    unsigned char head[MEMBER_SIZE];
    z_stream stream = {.avail_out = 1};
    uint64_t data;
    bool ok;

    if ((member->flags & 1) || (member->method != 0 && member->method != 8))
        return source_error(source, "is encrypted, or packed in a way this tool does not know: "
                                    "store the labels with numpy.save");
    if (!read_at(source, member->offset, head, sizeof(head)))
        return false;
    data = (uint64_t)member->offset + MEMBER_SIZE + u16(head + 26) + u16(head + 28);
    if (memcmp(head, "PK\3\4", 4) != 0 || data + member->packed > source->file_bytes ||
        gzseek(source->gz, (z_off_t)data, SEEK_SET) < 0)
        return damaged(source);
    if (member->method == 0)
        return copy_packed(&unpacking, NULL);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return source_error(source, "no memory to unpack it");
    ok = copy_packed(&unpacking, &stream);
    inflateEnd(&stream);
    return ok;
}

/* ---- the format ---- */

static bool sniff(const unsigned char *head, size_t len)
{
    return len >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* Reads from the temporary file instead, as what it is. */
static bool replace(struct source *source, const struct member *member, int temporary)
{
    char head[4] = {0};
    gzFile gz = lseek(temporary, 0, SEEK_SET) == 0 ? gzdopen(temporary, "rb") : NULL;

    if (!gz) {
        close(temporary);
        return source_error(source, "no memory to read it");
    }
    gzclose(source->gz);
    source->gz = gz;
    source->file_bytes = member->size;
    source->format = &source_npy;
    source->column = NULL;
    return (gzread(gz, head, sizeof(head)) == (int)sizeof(head) &&
            source_npy.sniff((const unsigned char *)head, sizeof(head))) ||
           source_error(source, "its member %.*s is no NPY file", (int)array_name(member),
                        (const char *)member->name);
}

static bool open_array(struct source *source)
{
    unsigned char *directory;
    struct member member = {.name = NULL};
    uint32_t size;
    int temporary = -1;
    bool ok;

    if (!gzdirect(source->gz))
        return source_error(source, "is a compressed zip archive: unpack it with gunzip first");
    directory = read_directory(source, &size);
    if (!directory)
        return false;
    ok = choose(source, directory, size, &member);
    if (ok) {
        temporary = source_temporary(source);
        ok = temporary >= 0 && unpack(source, &member, temporary);
    }
    if (ok) {
        source_tell(source, "array", json_stringn((const char *)member.name, array_name(&member)));
        ok = replace(source, &member, temporary);
    } else if (temporary >= 0) {
        close(temporary);
    }
    free(directory);
    return ok;
}

/* The file that is inside is read in its place. */
static bool read_nothing(struct source *source, label_sink *sink, void *arg)
{
    (void)sink;
    (void)arg;
    return damaged(source);
}

const struct source_format source_npz = {
    .name = "npz",
    .title = "NPZ",
    .suffixes = {".npz"},
    .sniff = sniff,
    .open = open_array,
    .read = read_nothing,
    .columns = true,
};
