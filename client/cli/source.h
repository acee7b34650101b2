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

struct source {
    struct cli *cli;
    const char *path;                   /* "-": standard input */
    const struct source_format *format; /* NULL: found out by source_open */
    const char *column;                 /* CSV: the column to read; NULL: the only one */
    const char *group_column;           /* CSV: a second one that is read with it; NULL: none */
    char delimiter;                     /* CSV; '\0': by format and suffix */
    const char *extensions;             /* folders: "wav,flac"; NULL: those of images */
    const char *doing;                  /* shown with the progress: "reading", "sending" */
    /* set by source_open and source_read */
    gzFile gz; /* NULL: a folder */
    uint64_t file_bytes;
    uint64_t line;     /* now being read, from 1; 0: the format has no lines */
    uint64_t samples;  /* so far */
    const char *group; /* during label_sink: the text under group_column, not terminated */
    size_t group_len;
    double started, shown; /* for the progress */
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

/* ---- formats ---- */

/* How the files of a format are known and read. Each format has a file source_NAME.c, which ends
 * with its row or rows; none is known by name elsewhere. */
struct source_format {
    const char *name;                         /* as --format takes it */
    const char *alias;                        /* likewise, but no help lists it; NULL: none */
    const char *title;                        /* of a binary format, for messages */
    const char *suffixes[4];                  /* names that end so are files of it; "" fits all */
    bool (*sniff)(const unsigned char *head); /* of a binary format: are these its first 4 bytes? */
    bool (*read)(struct source *source, label_sink *sink, void *arg); /* a pass over the labels */
    /* A pass over numbers, where that is not a pass over labels which are texts of numbers. */
    bool (*read_numbers)(struct source *source, number_sink *sink, void *arg);
    char delimiter;      /* the source's, where --format names this format */
    bool folder;         /* reads a folder, not a file */
    bool columns;        /* has columns, of which one holds the labels */
    bool byte_order;     /* its classes stand in byte order, even if all are whole numbers */
    bool minus_one_none; /* by convention, samples labelled -1 have no label */
};

/* All formats; a new one is its file and a place here. A file that several rows would fit is of the
 * first. */
#define SOURCE_FORMATS(ROW) ROW(idx) ROW(npy) ROW(csv) ROW(tsv) ROW(lines) ROW(folders)
#define SOURCE_FORMAT_NAMES "idx, npy, csv, tsv, lines or folders" /* for people */

#define SOURCE_DECLARE(name) extern const struct source_format source_##name;
SOURCE_FORMATS(SOURCE_DECLARE)
#undef SOURCE_DECLARE

/* NULL: there is none of that name. */
const struct source_format *source_format_named(const char *name);

/* Up to `size` bytes; 0 at the end, -1 after a message. */
int source_bytes(struct source *source, void *bytes, unsigned size)
    __attribute__((warn_unused_result));
/* Exactly that many, of a header. */
bool source_header(struct source *source, void *bytes, unsigned size)
    __attribute__((warn_unused_result));
/* Does the file's name, without ".gz", end so? In any case of the letters. */
bool source_has_suffix(const struct source *source, const char *suffix);
/* Shows how far it is, now and then. */
void source_progress(struct source *source);

#endif
