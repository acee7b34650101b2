/*
 * `evendraw load` against a daemon that keeps what it is sent, in a folder of the test's own.
 */
#ifndef TESTS_CLIENT_LOADING_H
#define TESTS_CLIENT_LOADING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fake.h"

#define NONE  UINT32_MAX
#define PARTS 64

/* A dataset as it arrived. */
struct kept_part {
    char name[64];
    char classes[4096]; /* "a|b|" */
    uint32_t *labels;
    size_t count;
    char column[64]; /* of the weights */
    double *weights;
    size_t weight_count;
    bool committed, dropped;
};

struct kept {
    struct kept_part part[PARTS];
    uint32_t drafts;
    uint32_t refuse_commit; /* the daemon refuses to commit this draft (from 1) */
};

struct loaded {
    struct kept kept;
    int status;
    char out[4096], err[4096];
};

extern char folder[]; /* the test's */
int make_folder(void **state);
int remove_folder(void **state);
void write_file(const char *name, const void *bytes, size_t n);
void write_text(const char *name, const char *text);
/* A shell command in the folder, which must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The daemon: for fake_start, with a struct kept. */
void keep(struct fake *fake);
/* `evendraw load d ARGUMENTS`, in the folder. */
void load(struct loaded *loaded, const char *arguments);
void loaded_free(struct loaded *loaded);
/* One dataset arrives, with these classes and labels. */
void expect(const char *arguments, const char *classes, const uint32_t *labels, size_t count);
/* Fails with exit code 4, nothing committed, and a message that says all of these. */
void refuse(const char *arguments, const char *const *says);

#define LABELS(...)       (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4
#define REFUSE(args, ...) refuse(args, (const char *const[]){__VA_ARGS__, NULL})

#endif
