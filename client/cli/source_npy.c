/*
 * NumPy's .npy: a magic string, two bytes of version, the length of the header (16 bits in version
 * 1, 32 in 2 and 3; little-endian), the header as a Python dictionary, then the values. Labels are
 * one-dimensional arrays of whole numbers or bool, weights may be floating point too.
 */
#include "source_array.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 65536u

/* ---- the header ---- */

static bool sniff(const unsigned char *head)
{
    return memcmp(head, "\x93NUM", 4) == 0;
}

/* What follows 'key': in the dictionary, or NULL. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);

    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, "'\" ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static bool bad_header(struct source *source)
{
    return source_error(source, "its NPY header is damaged, or of a version this tool does not "
                                "know: store it again with numpy.save");
}

/* "<i8", "|b1": byte order, kind, size. */
static bool read_type(struct source *source, const char *descr, struct source_array *npy)
{
    char *end;

    if (!descr)
        return bad_header(source);
    if (*descr == '[')
        return source_error(source, "holds records with several fields: store the one with the "
                                    "labels, numpy.save(FILE, array['FIELD'])");
    if ((*descr != '\'' && *descr != '"') || strlen(descr) < 4 || !strchr("<>|=", descr[1]))
        return bad_header(source);
    npy->big = descr[1] == '>';
    npy->kind = descr[2];
    npy->size = (unsigned)strtoul(descr + 3, &end, 10);
    if (strchr("iubf", npy->kind) && *end == *descr &&
        (npy->size == 1 || npy->size == 2 || npy->size == 4 || npy->size == 8))
        return true;
    if (npy->kind == 'U' || npy->kind == 'S' || npy->kind == 'O')
        return source_error(source, "holds text or Python objects: store numbers, as "
                                    "numpy.unique(array, return_inverse=True) gives them, or write "
                                    "one label a line");
    return source_error(source,
                        "holds values of type %.*s: only whole numbers and bool can be labels: "
                        "store array.astype('int64')",
                        (int)strcspn(descr + 1, "'\""), descr + 1);
}

/* "(5,)" */
static bool read_shape(struct source *source, const char *shape, struct source_array *npy)
{
    const char *close = shape ? strchr(shape, ')') : NULL;
    char *end;

    if (!close || *shape != '(')
        return bad_header(source);
    npy->count = strtoull(shape + 1, &end, 10);
    if (end > shape + 1 && *end == ',' && end + 1 + strspn(end + 1, " ") == close)
        return true;
    return source_error(source,
                        "has the shape %.*s, but one value a sample is needed: store "
                        "array.ravel(), or choose a column",
                        (int)(close + 1 - shape > 60 ? 60 : close + 1 - shape), shape);
}

static bool read_header(struct source *source, struct source_array *npy)
{
    unsigned char head[12];
    char *header;
    uint32_t len;
    bool ok;

    if (!source_header(source, head, 10))
        return false;
    if (memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3)
        return bad_header(source);
    len = head[8] | (uint32_t)head[9] << 8;
    if (head[6] > 1) {
        if (!source_header(source, head + 10, 2))
            return false;
        len |= (uint32_t)head[10] << 16 | (uint32_t)head[11] << 24;
    }
    if (len > HEADER_LIMIT)
        return bad_header(source);
    header = calloc(len + 1u, 1);
    if (!header)
        return source_error(source, "no memory for its header");
    ok = len > 0 && source_header(source, header, len) &&
         read_type(source, value_of(header, "descr"), npy) &&
         read_shape(source, value_of(header, "shape"), npy);
    free(header);
    return ok;
}

/* ---- passes ---- */

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_array npy = {.holds = "values"};

    if (!read_header(source, &npy))
        return false;
    if (npy.kind == 'f')
        return source_error(source, "holds floating point numbers, which cannot be labels: store "
                                    "array.astype('int64')");
    return source_array_labels(source, &npy, sink, arg);
}

static bool read_numbers(struct source *source, number_sink *sink, void *arg)
{
    struct source_array npy = {.holds = "values"};

    if (!read_header(source, &npy))
        return false;
    if (npy.kind == 'f' && npy.size < 4)
        return source_error(source, "holds float16: store array.astype('float64')");
    return source_array_numbers(source, &npy, sink, arg);
}

const struct source_format source_npy = {
    .name = "npy",
    .title = "NPY",
    .suffixes = {".npy"},
    .sniff = sniff,
    .read = read_labels,
    .read_numbers = read_numbers,
    .minus_one_none = true, /* as scikit-learn has it */
};
