/*
 * What kind of file it is: its format, by its first bytes, its name and the options; and files that
 * are recognised as something that is no list of labels, for which the message says what they are
 * and how labels come out of them. Called by source.c when a file is opened; source_format_named by
 * load.c.
 */
#include "source.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include "source_guess.h"

#define SOURCE_ADDRESS(name) &source_##name,
static const struct source_format *const formats[] = {SOURCE_FORMATS(SOURCE_ADDRESS) NULL};
#undef SOURCE_ADDRESS

#define HEAD_BYTES 65536u /* that are looked at */

const struct source_format *source_format_named(const char *name)
{
    for (const struct source_format *const *at = formats; *at; at++) {
        const char *alias = (*at)->alias;

        if (strcmp((*at)->name, name) == 0 || (alias && strcmp(alias, name) == 0))
            return *at;
    }
    return NULL;
}

const struct source_format *source_of_folders(void)
{
    const struct source_format *const *at = formats;

    while (*at && !(*at)->folder)
        at++;
    assert(*at);
    return *at;
}

/* ---- names ---- */

static bool has_suffix(const char *text, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && strncasecmp(text + len - n, suffix, n) == 0;
}

static bool is_compressed(const struct source *source)
{
    return has_suffix(source->path, strlen(source->path), ".gz");
}

bool source_has_suffix(const struct source *source, const char *suffix)
{
    return has_suffix(source->path, strlen(source->path) - (is_compressed(source) ? 3 : 0), suffix);
}

static bool has_suffix_of(const struct source *source, const struct source_format *format)
{
    for (size_t i = 0; format->suffixes[i]; i++) {
        if (source_has_suffix(source, format->suffixes[i]))
            return true;
    }
    return false;
}

/* ---- files that are no labels ---- */

#define BY_PANDAS(read)                                                                            \
    "python3 -c \"import pandas; pandas." read "('FILE')[['COLUMN']].to_csv('labels.csv', "        \
    "index=False)\" writes one that can be loaded"
#define TO_NUMPY    "store the labels with numpy.save"
#define IS_IMAGE    "an image: give the folder that holds the class folders, or a file with the labels"
#define MAGIC(text) text, sizeof(text) - 1

static const struct known {
    const char *magic;
    size_t len;
    size_t offset;
    const char *what; /* and what to do */
} known[] = {
    {MAGIC("PAR1"), 0, "a Parquet file: " BY_PANDAS("read_parquet")},
    {MAGIC("ARROW1"), 0, "an Arrow (Feather) file: " BY_PANDAS("read_feather")},
    {MAGIC("FEA1"), 0, "a Feather file: " BY_PANDAS("read_feather")},
    {MAGIC("\xff\xff\xff\xff"), 0,
     "an Arrow stream, as Hugging Face's datasets keeps: python3 -c \"import datasets; "
     "datasets.Dataset.from_file('FILE').select_columns('COLUMN').to_csv('labels.csv')\" writes "
     "one that can be loaded"},
    {MAGIC("\x80\2"), 0, "a pickle: load it in Python and " TO_NUMPY},
    {MAGIC("\x80\3"), 0, "a pickle: load it in Python and " TO_NUMPY},
    {MAGIC("\x80\4"), 0, "a pickle: load it in Python and " TO_NUMPY},
    {MAGIC("\x80\5"), 0, "a pickle: load it in Python and " TO_NUMPY},
    {MAGIC("\x89HDF\r\n\x1a\n"), 0, "an HDF5 file: read it with h5py and " TO_NUMPY},
    {MAGIC("MATLAB 5.0"), 0, "a MATLAB file: read it with scipy.io.loadmat and " TO_NUMPY},
    {MAGIC("MATLAB 7.3 MAT-file"), 0, "a MATLAB file: read it with h5py and " TO_NUMPY},
    {MAGIC("SQLite format 3"), 0, "an SQLite database: write the column with sqlite3 -csv"},
    {MAGIC("BZh"), 0, "compressed by bzip2: unpack it, or pipe it in with bzcat FILE"},
    {MAGIC("\xfd"
           "7zXZ"),
     0, "compressed by xz: unpack it, or pipe it in with xzcat FILE"},
    {MAGIC("\x28\xb5\x2f\xfd"), 0,
     "compressed by zstd: unpack it, or pipe it in with zstdcat FILE"},
    {MAGIC("ustar"), 257, "a tar archive: unpack it and load the file or folder inside"},
    {MAGIC("\xd0\xcf\x11\xe0"), 0, "an Excel or other Office document: save the table as CSV"},
    {MAGIC("%PDF"), 0, "a PDF document: save its table as CSV"},
    {MAGIC("\x89PNG"), 0, IS_IMAGE},
    {MAGIC("\xff\xd8\xff"), 0, IS_IMAGE},
    {MAGIC("GIF8"), 0, IS_IMAGE},
    {MAGIC("\xff\xfe"), 0, "text in UTF-16: make it UTF-8, with iconv -f UTF-16 -t UTF-8 FILE"},
    {MAGIC("\xfe\xff"), 0, "text in UTF-16: make it UTF-8, with iconv -f UTF-16 -t UTF-8 FILE"},
    {MAGIC("version https://git-lfs.github.com/"), 0,
     "a git-LFS pointer: the file itself was not fetched; `git lfs pull` does"},
};

static bool refuse_known(struct source *source, const unsigned char *head, size_t n)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct known *kind = &known[i];

        if (n >= kind->offset + kind->len &&
            memcmp(head + kind->offset, kind->magic, kind->len) == 0)
            return source_error(source, "is %s", kind->what);
    }
    return true;
}

/* ---- which format ---- */

/* What the first bytes say; NULL: nothing. */
static const struct source_format *by_content(const unsigned char *head, size_t n)
{
    for (const struct source_format *const *at = formats; *at; at++) {
        if ((*at)->sniff && (*at)->sniff(head, n))
            return *at;
    }
    return NULL;
}

/* Do the options ask for columns of a text? */
static bool wants_table(const struct source *source)
{
    return source->delimiter || source->no_header || source->quote != QUOTE_UNSAID ||
           source->one_hot;
}

/* What the options or the name say of a file. */
static const struct source_format *by_name(const struct source *source)
{
    const struct source_format *const *at = formats;
    bool table = wants_table(source) || source->column;

    while (*at && !has_suffix_of(source, *at))
        at++;
    assert(*at); /* one fits every name */
    if (!table || (*at)->table || (source->column && (*at)->columns && !wants_table(source)))
        return *at;
    for (at = formats; *at && !(*at)->table;)
        at++;
    assert(*at);
    return *at;
}

/* Do the format, the options and the file's content agree? */
static bool check_format(struct source *source, const unsigned char *head,
                         const struct source_format *content)
{
    const struct source_format *format = source->format;

    if (format->title && format != content)
        return source_error(source,
                            "should be %s, but begins with %02x %02x %02x %02x: is it another "
                            "kind of file (--format)?",
                            format->title, head[0], head[1], head[2], head[3]);
    if (format != content && content && content->title)
        return source_error(source, "is an %s file, not text: leave --format out", content->title);
    if (source->column && !format->columns)
        return source_error(source, "has no columns (it is read as %s): leave --column out",
                            format->name);
    if (wants_table(source) && !format->table)
        return source_error(source,
                            "is no table (it is read as %s): --delimiter, --no-header, --quote and "
                            "--one-hot are for CSV, TSV and other tables",
                            format->name);
    return true;
}

bool source_detect(struct source *source)
{
    unsigned char head[HEAD_BYTES + 1] = {0};
    int n = source_bytes(source, head, HEAD_BYTES);
    const struct source_format *content, *said = source->format;

    if (n < 0)
        return false;
    if (n == 0)
        return source_error(source, "is empty");
    if (is_compressed(source) && gzdirect(source->gz))
        return source_error(source, "its name says gzip, but it is not compressed: rename it, or "
                                    "get it again");
    if (!refuse_known(source, head, (size_t)n))
        return false;
    content = by_content(head, (size_t)n);
    if (!said && !content && !guess_text(source, (const char *)head))
        return false;
    if (!said)
        source->format =
            content && (content->title || !wants_table(source)) ? content : by_name(source);
    if (source->format->folder)
        return source_error(source, "is a file, but --format says %s", source->format->name);
    if (!check_format(source, head, content))
        return false;
    source_tell(source, "format", json_string(source->format->name));
    return said || source->format->sniff || source->format->table ||
           guess_lines(source, (const char *)head, (size_t)n == HEAD_BYTES);
}
