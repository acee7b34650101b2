/*
 * Where labels come from: files of several formats and trees of folders, read from the beginning to
 * the end as often as wanted, in bounded memory.
 *
 * What cannot be read twice (standard input, pipes) is first copied to an unnamed temporary file.
 * Every file may be compressed by gzip. Errors are printed, naming the file and the line.
 */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include <zlib.h>
#include "cli.h"
#include "progress.h"

/* What a quote character in a table is. */
enum source_quote {
    QUOTE_UNSAID, /* RFC 4180's; what may as well be a character of its own is refused */
    QUOTE_DOUBLE, /* RFC 4180's */
    QUOTE_NONE,   /* a character like others */
};

#define DELIMITER_BLANK ' ' /* runs of blanks and tabs */

struct source {
    struct cli *cli;
    const char *path;                   /* "-": standard input */
    const struct source_format *format; /* NULL: found out by source_open */
    const char *column; /* of a table: its name, or its number from 1, or from -1 at the end; of
                         * an archive: the array; of JSON lines: the field; NULL: the only one */
    const char *group_column; /* of a table: a second one that is read with it; NULL: none */
    char delimiter;           /* of a table; '\0': by format and suffix */
    bool no_header;           /* of a table: its first line is a sample */
    enum source_quote quote;
    const char *one_hot;    /* a table's columns that are classes: "A,B,C", or "all"; NULL: none */
    const char *extensions; /* folders: "wav,flac"; NULL: those of images */
    bool every; /* of a matrix of numbers all, a sample's one after the other; not one of each */
    const char *doing; /* shown with the progress: "reading", "sending" */
    /* set by source_open and source_read */
    gzFile gz; /* NULL: a folder */
    uint64_t file_bytes;
    uint64_t line;     /* now being read, from 1; 0: the format has no lines */
    uint64_t samples;  /* so far */
    uint64_t row;      /* with `every`: numbers of a sample */
    const char *group; /* during label_sink: the text under group_column, not terminated */
    size_t group_len;
    struct progress progress;
    json_t *about;  /* for --json: what was taken for what; NULL without memory */
    bool noted;     /* the notes were printed, in the first pass */
    char **classes; /* in their order, where the file says it; NULL: it does not */
    uint32_t class_count;
};

/* Takes the next label; no text: the sample has none. False ends the reading, after a message. */
typedef bool label_sink(void *arg, const char *label, size_t len);
/* Takes the next number. */
typedef bool number_sink(void *arg, double value);

/* Opens and finds out the format. False: the reason was printed, cli->status is set; nothing to
 * close. */
bool source_open(struct source *source) __attribute__((warn_unused_result));
void source_close(struct source *source);
/* One pass over all labels. */
bool source_read(struct source *source, label_sink *sink, void *arg)
    __attribute__((warn_unused_result));
/* One pass over a file of numbers: what cannot be read as one is an error. */
bool source_read_numbers(struct source *source, number_sink *sink, void *arg)
    __attribute__((warn_unused_result));
/* Prints "PATH, line N: ..." with what is wrong there. Always false. */
bool source_error(struct source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints likewise what was taken for what, or what looks wrong; in the first pass only. A warning
 * is in `about` too. */
void source_note(struct source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void source_warn(struct source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- formats ---- */

/* How the files of a format are known and read. Each format has a file source_NAME.c, which ends
 * with its row or rows; none is known by name elsewhere. */
struct source_format {
    const char *name;        /* as --format takes it */
    const char *alias;       /* likewise, but no help lists it; NULL: none */
    const char *title;       /* of a binary format, for messages; NULL: text */
    const char *suffixes[4]; /* names that end so are files of it; "" fits all */
    /* Are these the first bytes of such a file? NULL: its name, or an option, has to say so. */
    bool (*sniff)(const unsigned char *head, size_t len);
    /* Puts what is inside the file, and its format, in the place of the file; NULL: nothing is. */
    bool (*open)(struct source *source);
    bool (*read)(struct source *source, label_sink *sink, void *arg); /* a pass over the labels */
    /* A pass over numbers, where that is not a pass over labels which are texts of numbers. */
    bool (*read_numbers)(struct source *source, number_sink *sink, void *arg);
    char delimiter;  /* the source's, where --format names this format */
    bool folder;     /* reads a folder, not a file */
    bool columns;    /* --column chooses one of several */
    bool table;      /* text with --delimiter, --no-header, --quote and --one-hot */
    bool byte_order; /* its classes stand in byte order, even if all are whole numbers */
    bool missing;    /* "NA" and the like, as pandas has them, are no label */
};

/* All formats; a new one is its file and a place here. A file that several rows would fit is of the
 * first. */
#define SOURCE_FORMATS(ROW)                                                                        \
    ROW(idx) ROW(npy) ROW(npz) ROW(csv) ROW(tsv) ROW(jsonl) ROW(libsvm) ROW(lines) ROW(folders)
#define SOURCE_FORMAT_NAMES                                                                        \
    "idx, npy, npz, csv, tsv, jsonl, libsvm, lines or folders" /* for people */

#define SOURCE_DECLARE(name) extern const struct source_format source_##name;
SOURCE_FORMATS(SOURCE_DECLARE)
#undef SOURCE_DECLARE

/* NULL: there is none of that name. */
const struct source_format *source_format_named(const char *name);
/* The format of an open file, unless it was said, by its first bytes, its name and the options.
 * False, after a message: it is none of them, or not the one that was said. */
bool source_detect(struct source *source) __attribute__((warn_unused_result));
/* The format of folders. */
const struct source_format *source_of_folders(void);
/* Does the file's name, without ".gz", end so? In any case of the letters. */
bool source_has_suffix(const struct source *source, const char *suffix);

/* ---- for the formats ---- */

/* Up to `size` bytes; 0 at the end, -1 after a message. */
int source_bytes(struct source *source, void *bytes, unsigned size)
    __attribute__((warn_unused_result));
/* The same of a text, which holds no NUL. */
int source_text(struct source *source, void *bytes, unsigned size)
    __attribute__((warn_unused_result));
/* Exactly that many, of a header. */
bool source_header(struct source *source, void *bytes, unsigned size)
    __attribute__((warn_unused_result));
/* A pass over the lines of a text, without their ends, of which source->line says the number. None
 * is longer than `limit`. */
typedef bool line_sink(void *arg, char *line, size_t len);
bool source_lines_each(struct source *source, size_t limit, line_sink *sink, void *arg)
    __attribute__((warn_unused_result));
/* Where the labels of such a text go. */
struct source_labels {
    struct source *source;
    label_sink *sink;
    void *arg; /* the sink's */
};
/* The next sample has that label. */
bool source_label(struct source_labels *labels, const char *text, size_t len)
    __attribute__((warn_unused_result));
/* A number from 1 on, or from -1 on from the end, as a place of `count` from 0 on; false if it is
 * none of them. */
bool source_place(const char *text, uint32_t count, uint32_t *place);
/* An open temporary file without a name, or -1 after a message. */
int source_temporary(struct source *source);
bool source_write(struct source *source, int fd, const void *bytes, size_t size)
    __attribute__((warn_unused_result));
/* Shows how far it is, now and then. */
void source_progress(struct source *source);
/* Adds to what --json says of the source; takes over the value (NULL: not UTF-8, left out). */
void source_tell(struct source *source, const char *key, json_t *value);

#endif
