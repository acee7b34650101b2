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

enum source_format {
    SOURCE_AUTO,
    SOURCE_IDX,
    SOURCE_NPY,
    SOURCE_CSV,
    SOURCE_LINES,
    SOURCE_FOLDERS
};

struct source {
    struct cli *cli;
    const char *path;          /* "-": standard input */
    enum source_format format; /* AUTO: found out by source_open */
    const char *column;        /* CSV: the column to read; NULL: the only one */
    char delimiter;            /* CSV; '\0': by suffix */
    const char *extensions;    /* folders: "wav,flac"; NULL: those of images */
    const char *doing;         /* shown with the progress: "reading", "sending" */
    /* set by source_open and source_read */
    gzFile gz; /* NULL: folders */
    uint64_t file_bytes;
    uint64_t line;         /* now being read, from 1; 0: the format has no lines */
    uint64_t samples;      /* so far */
    double started, shown; /* for the progress */
};

/* Takes the next label; no text: the sample has none. False ends the reading, after a message. */
typedef bool label_sink(void *arg, const char *label, size_t len);
/* Takes the next number. */
typedef bool number_sink(void *arg, double value);

/* Opens and finds out the format. False: the reason was printed, cli->status is set; nothing to
 * close. */
bool source_open(struct source *source);
void source_close(struct source *source);
/* One pass over all labels. */
bool source_read(struct source *source, label_sink *sink, void *arg);
/* One pass over a file of numbers: what cannot be read as one is an error. */
bool source_read_numbers(struct source *source, number_sink *sink, void *arg);
/* Prints "PATH, line N: ..." with what is wrong there. Always false. */
bool source_error(struct source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For the formats: up to `size` bytes; 0 at the end, -1 after a message. */
int source_bytes(struct source *source, void *bytes, unsigned size);
/* Exactly that many, of a header. */
bool source_header(struct source *source, void *bytes, unsigned size);
/* The next `n` values of `size` bytes each; the header says that there are `count` in all. */
bool source_values(struct source *source, void *values, unsigned n, unsigned size, uint64_t count);
/* Shows how far it is, now and then. */
void source_progress(struct source *source);
/* The passes of the formats. */
bool source_read_idx(struct source *source, label_sink *sink, void *arg);
bool source_read_npy(struct source *source, label_sink *sink, void *arg);
bool source_read_npy_numbers(struct source *source, number_sink *sink, void *arg);
bool source_read_csv(struct source *source, label_sink *sink, void *arg);
bool source_read_lines(struct source *source, label_sink *sink, void *arg);
bool source_read_folders(struct source *source, label_sink *sink, void *arg);

#endif
