/*
 * Rows as they are read back: what a load hands from one to the next, and their columns. For load.c
 * and load_jobs.c.
 */
#ifndef STORE_SQLITE_ROWS_H
#define STORE_SQLITE_ROWS_H

#include "store/sqlite/sqlite.h"

/* The state of a load, handed from row to row. */
struct loading {
    struct sqlite *sqlite;
    const struct store_reader *reader;
    struct evd_error *err;
    struct store_dataset dataset;       /* the one being read */
    struct store_attachment attachment; /* likewise */
    uint64_t next;                      /* sample or class that the next chunk must begin with */
    void *buffer;                       /* working memory */
    size_t buffer_bytes;
    bool damaged;     /* the dataset or attachment is, and not the database */
    bool row_damaged; /* the row at hand has what cannot have been written */
    uint64_t job;     /* whose rows are being read */
    /* The strategy read last, from which the next one may differ; bytes 0: none. */
    struct store_place before;
    void *strategy;
    size_t strategy_bytes;
    uint64_t max_id;
};

typedef int (*row_handler)(struct loading *load, struct sqlite3_stmt *row);

/* Calls `handle` for every row of a query with at most one parameter. */
int rows_each(struct loading *load, const char *sql, uint64_t key, row_handler handle) MUST_CHECK;

/* A column. What cannot be one of that type makes the row a damaged one. */
uint64_t row_u64(struct sqlite3_stmt *row, int column);
uint32_t row_u32(struct loading *load, struct sqlite3_stmt *row, int column);
/* Never NULL; see rows_out_of_memory. */
const char *row_text(struct loading *load, struct sqlite3_stmt *row, int column);

/* Whether a text or blob of this row could not be read for lack of memory, and looks empty now. */
bool rows_out_of_memory(const struct loading *load);
int rows_no_memory(struct loading *load);

#endif
