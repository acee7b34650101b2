/*
 * NumPy's .npy: a magic string, two bytes of version, the length of the header (16 bits in version
 * 1, 32 in 2 and 3; little-endian), the header as a Python dictionary, then the values. Labels are
 * one-dimensional arrays of whole numbers, bool or text, or --column of two-dimensional ones;
 * floats have to be whole, or NaN, which is no label. Weights are numbers. Features are a matrix,
 * and so are probabilities, of which only the header is read here (features.c maps the file).
 */
#include "source_array.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 65536u
#define ITEM_LIMIT   16384u /* characters of a text */

/* ---- the header ---- */

static bool sniff(const unsigned char *head, size_t len)
{
    return len >= 4 && memcmp(head, "\x93NUM", 4) == 0;
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
    if (strchr("iub", npy->kind) && *end == *descr &&
        (npy->size == 1 || npy->size == 2 || npy->size == 4 || npy->size == 8))
        return true;
    if (npy->kind == 'f' && *end == *descr && (npy->size == 2 || npy->size == 4 || npy->size == 8))
        return true;
    if ((npy->kind == 'U' || npy->kind == 'S') && *end == *descr && npy->size < ITEM_LIMIT) {
        npy->size *= npy->kind == 'U' ? 4 : 1;
        return true;
    }
    if (npy->kind == 'O')
        return source_error(source, "holds Python objects: store texts with array.astype('str'), "
                                    "numbers with array.astype('int64')");
    return source_error(source, "holds values of type %.*s: labels are whole numbers, bool or text",
                        (int)strcspn(descr + 1, "'\""), descr + 1);
}

/* A number of a shape, and what stands behind it; false: there is none. */
static bool read_extent(const char **at, uint64_t *extent)
{
    char *end;

    *at += strspn(*at, " ");
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *extent = strtoull(*at, &end, 10);
    *at = end + strspn(end, " ");
    return errno == 0 && *extent <= INT64_MAX;
}

/* "(5,)" or "(5, 3)": false if it is another shape. */
static bool read_extents(const char *shape, const char *close, struct source_array *npy)
{
    const char *at = shape + 1;

    if (!read_extent(&at, &npy->count) || *at++ != ',')
        return false;
    at += strspn(at, " ");
    return at == close || (read_extent(&at, &npy->row) && npy->row > 0 && at == close);
}

static bool read_shape(struct source *source, const char *shape, const char *order,
                       struct source_array *npy)
{
    const char *close = shape ? strchr(shape, ')') : NULL;

    if (!close || *shape != '(')
        return bad_header(source);
    if (!read_extents(shape, close, npy))
        return source_error(source, "has the shape %.*s, but %s",
                            (int)(close + 1 - shape > 60 ? 60 : close + 1 - shape), shape,
                            source->every ? "a row of numbers for each sample is needed: (n, m)"
                                          : "one value a sample is needed: shape (n,)");
    if (npy->row > 1 && (!order || strncmp(order, "False", 5) != 0))
        return source->every
                   ? source_error(source, "is stored by columns (in Fortran's order): "
                                          "numpy.save(FILE, numpy.ascontiguousarray(array))")
                   : source_error(source,
                                  "is stored by columns: store array.argmax(axis=1) if it is "
                                  "one-hot, or array[:, 0], the column with the labels");
    return true;
}

/* The dictionary, to be freed; NULL after a message. *offset: where the values begin. */
static char *read_dictionary(struct source *source, uint64_t *offset)
{
    unsigned char head[12];
    char *header;
    uint32_t len;

    if (!source_header(source, head, 10))
        return NULL;
    if (memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3) {
        bad_header(source);
        return NULL;
    }
    len = head[8] | (uint32_t)head[9] << 8;
    if (head[6] > 1) {
        if (!source_header(source, head + 10, 2))
            return NULL;
        len |= (uint32_t)head[10] << 16 | (uint32_t)head[11] << 24;
    }
    *offset = (head[6] > 1 ? 12u : 10u) + len;
    header = len > 0 && len <= HEADER_LIMIT ? calloc(len + 1u, 1) : NULL;
    if (!header) {
        if (len > 0 && len <= HEADER_LIMIT)
            source_error(source, "no memory for its header");
        else
            bad_header(source);
        return NULL;
    }
    if (source_header(source, header, len))
        return header;
    free(header);
    return NULL;
}

static bool read_header(struct source *source, struct source_array *npy)
{
    uint64_t offset;
    char *header = read_dictionary(source, &offset);
    bool ok = header && read_type(source, value_of(header, "descr"), npy) &&
              read_shape(source, value_of(header, "shape"), value_of(header, "fortran_order"), npy);

    free(header);
    return ok;
}

/* ---- matrices ---- */

static bool read_float(struct source *source, const char *descr, struct source_matrix *matrix)
{
    const char native = htole16(1) == 1 ? '<' : '>';

    if (!descr || strlen(descr) < 5)
        return bad_header(source);
    matrix->size = (unsigned)(descr[3] - '0');
    if ((*descr == '\'' || *descr == '"') && (descr[1] == native || descr[1] == '=') &&
        descr[2] == 'f' && (descr[3] == '4' || descr[3] == '8') && descr[4] == *descr)
        return true;
    return source_error(source,
                        "holds values of type %.*s, and %s are float32 or float64 of this "
                        "machine's byte order: numpy.save(FILE, X.astype(\"float32\"))",
                        *descr == '[' ? 6 : (int)strcspn(descr + 1, "'\""),
                        *descr == '[' ? "record" : descr + 1,
                        matrix->probabilities ? "probabilities" : "features");
}

static bool read_rows(struct source *source, const char *header, struct source_matrix *matrix)
{
    const char *shape = value_of(header, "shape"), *order = value_of(header, "fortran_order");
    const char *close = shape ? strchr(shape, ')') : NULL;
    struct source_array extents = {.row = 0};

    if (!close || *shape != '(' || !order)
        return bad_header(source);
    if (!read_extents(shape, close, &extents) || (extents.row == 0 && !matrix->probabilities))
        return source_error(source, "has the shape %.*s, but %s",
                            (int)(close + 1 - shape > 60 ? 60 : close + 1 - shape), shape,
                            matrix->probabilities
                                ? "a probability for each sample is needed, or one for each "
                                  "class: shape (n,) or (n, classes)"
                                : "a row of features for each sample is needed, shape (n, d): "
                                  "X.reshape(len(X), -1)");
    if (strncmp(order, "False", 5) != 0)
        return source_error(source, "is stored by columns (in Fortran's order): "
                                    "numpy.save(FILE, numpy.ascontiguousarray(X))");
    matrix->n = extents.count;
    matrix->d = extents.row > 0 ? extents.row : 1;
    return true;
}

bool source_npy_matrix(struct source *source, struct source_matrix *matrix)
{
    char *header = read_dictionary(source, &matrix->offset);
    bool ok = header && read_float(source, value_of(header, "descr"), matrix) &&
              read_rows(source, header, matrix);

    free(header);
    return ok;
}

/* ---- passes ---- */

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_array npy = {.holds = "values"};

    return read_header(source, &npy) &&
           source_array_column(source, &npy,
                               "store array.argmax(axis=1) if it is one-hot, or holds a number for "
                               "each class; --column chooses a column (1: the first)") &&
           source_array_labels(source, &npy, sink, arg);
}

/* A row of numbers for each sample, or which of them is read. */
static bool choose_numbers(struct source *source, struct source_array *npy)
{
    if (!source->every)
        return source_array_column(source, npy, "store the column with the numbers, array[:, 0]");
    npy->every = true;
    source->row = npy->row;
    return npy->row > 0 || source_error(source, "has one value a sample, where a row of them is "
                                                "needed: shape (n, m)");
}

static bool read_numbers(struct source *source, number_sink *sink, void *arg)
{
    struct source_array npy = {.holds = "values"};

    if (!read_header(source, &npy) || !choose_numbers(source, &npy))
        return false;
    if (npy.kind == 'U' || npy.kind == 'S')
        return source_error(source, "holds text: store array.astype('float64')");
    return source_array_numbers(source, &npy, sink, arg);
}

const struct source_format source_npy = {
    .name = "npy",
    .title = "NPY",
    .suffixes = {".npy"},
    .sniff = sniff,
    .read = read_labels,
    .read_numbers = read_numbers,
    .columns = true,
};
