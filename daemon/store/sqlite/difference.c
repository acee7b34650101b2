/* Stores strategies whole or as differences, and reads them back (difference.h). Runs in whichever
 * thread has the database. */
#include "store/sqlite/difference.h"

#include <assert.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "proto/limits.h"
#include "store/sqlite/error.h"

struct text {
    void *data;
    size_t bytes;
};

/* What a strategy is to differ from. */
struct base {
    struct store_place of;
    uint64_t place;
};

/* ---- zstd ---- */

/* The fastest level; weights that stay the same are long runs far away, which is what matching over
 * long distances is for. */
#define LEVEL 1

/* zstd must be able to look back over both. */
static int window_log(size_t bytes)
{
    int log = ZSTD_cParam_getBounds(ZSTD_c_windowLog).lowerBound;

    while (log < 31 && (size_t)1 << log < bytes)
        log++;
    return log;
}

/* False if it does not come to less than half, or there is no memory: then it is stored whole. */
static bool compress(const struct text *base, const void *strategy, size_t bytes, struct text *out)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t size = ZSTD_CONTENTSIZE_ERROR;

    *out = (struct text){malloc(bytes / 2), 0};
    if (zstd && out->data) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_enableLongDistanceMatching, 1);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log(base->bytes + bytes));
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        ZSTD_CCtx_refPrefix(zstd, base->data, base->bytes);
        size = ZSTD_compress2(zstd, out->data, bytes / 2, strategy, bytes);
    }
    ZSTD_freeCCtx(zstd);
    if (ZSTD_isError(size)) {
        free(out->data);
        return false;
    }
    out->bytes = size;
    return true;
}

int difference_apply(const void *base, size_t base_bytes, const void *stored, size_t stored_bytes,
                     void **strategy, size_t *bytes, struct evd_error *err)
{
    unsigned long long size = ZSTD_getFrameContentSize(stored, stored_bytes);
    ZSTD_DCtx *zstd;
    size_t got;

    *bytes = 0;
    if (size > EVD_MAX_REPLY_FRAME) /* or it is not told */
        size = 0;
    zstd = ZSTD_createDCtx();
    *strategy = malloc(size ? size : 1);
    if (!zstd || !*strategy) {
        ZSTD_freeDCtx(zstd);
        free(*strategy);
        *strategy = NULL;
        return error_no_memory(err);
    }
    ZSTD_DCtx_refPrefix(zstd, base, base_bytes);
    got = ZSTD_decompressDCtx(zstd, *strategy, size, stored, stored_bytes);
    ZSTD_freeDCtx(zstd);
    if (!ZSTD_isError(got))
        *bytes = got;
    return EVD_OK;
}

/* ---- reading ---- */

/* What is stored of one, and what it differs from (*differs: it does). */
static int read_stored(struct sqlite *sqlite, const struct store_place *place, struct text *out,
                       bool *differs, struct store_place *base, struct evd_error *err)
{
    sqlite3_stmt *stmt = sqlite->statements[SQL_REVISION_READ];
    const void *stored;
    int rc, code = EVD_OK;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)place->job);
    sqlite3_bind_int64(stmt, 2, place->generation);
    sqlite3_bind_int64(stmt, 3, place->revision);
    rc = sqlite3_step(stmt);
    stored = rc == SQLITE_ROW ? sqlite3_column_blob(stmt, 0) : NULL;
    out->bytes = stored ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;
    out->data = malloc(out->bytes ? out->bytes : 1);
    if (rc == SQLITE_DONE)
        code = error_set(err, EVD_E_NOT_FOUND, "revision",
                         "revision %" PRIu32 " is not recorded any more: meanwhile the job was "
                         "changed or dropped, or has forgotten it; ask again",
                         place->revision);
    else if (rc != SQLITE_ROW)
        code = sqlite_error(sqlite, rc, err);
    else if (!out->data || (!stored && sqlite3_errcode(sqlite->db) == SQLITE_NOMEM))
        code = sqlite_error(sqlite, SQLITE_NOMEM, err);
    if (code == EVD_OK && out->data && out->bytes > 0)
        memcpy(out->data, stored, out->bytes);
    *differs = rc == SQLITE_ROW && sqlite3_column_type(stmt, 1) != SQLITE_NULL;
    *base = (struct store_place){place->job, (uint32_t)sqlite3_column_int64(stmt, 1),
                                 (uint32_t)sqlite3_column_int64(stmt, 2)};
    sqlite3_reset(stmt);
    if (code != EVD_OK) {
        free(out->data);
        *out = (struct text){0};
    }
    return code;
}

/* Applies them to the last, the whole one, from the one before it to the first, which *whole is
 * then. */
static int put_together(const struct text *chain, uint32_t count, struct text *whole,
                        struct evd_error *err)
{
    for (uint32_t i = count; i-- > 0;) {
        struct text next;
        int code = difference_apply(whole->data, whole->bytes, chain[i].data, chain[i].bytes,
                                    &next.data, &next.bytes, err);

        free(whole->data);
        *whole = code == EVD_OK ? next : (struct text){0};
        if (code != EVD_OK)
            return code;
    }
    return EVD_OK;
}

int difference_read(struct sqlite *sqlite, const struct store_place *place, void **strategy,
                    size_t *bytes, struct evd_error *err)
{
    struct text chain[DIFFERENCES_MOST], stored;
    struct store_place at = *place, base;
    uint32_t count = 0;
    bool differs;
    int code;

    while ((code = read_stored(sqlite, &at, &stored, &differs, &base, err)) == EVD_OK && differs &&
           count < DIFFERENCES_MOST) {
        chain[count++] = stored;
        at = base;
    }
    /* What differs from too many was not written so, nor what differs from nothing. */
    if (code == EVD_OK && differs)
        stored.bytes = 0;
    if (code == EVD_E_NOT_FOUND && count > 0) {
        err->code = code = EVD_OK;
        stored = (struct text){malloc(1), 0};
        if (!stored.data)
            code = error_no_memory(err);
    }
    if (code == EVD_OK)
        code = put_together(chain, count, &stored, err);
    while (count > 0)
        free(chain[--count].data);
    *strategy = stored.data;
    *bytes = stored.bytes;
    return code;
}

/* ---- writing ---- */

/* The newest recorded revision of a job. *found: there is one, and a further one may differ from
 * it. */
static int find_base(struct sqlite *sqlite, uint64_t job, struct base *base, bool *found,
                     struct evd_error *err)
{
    sqlite3_stmt *stmt = sqlite->statements[SQL_REVISION_NEWEST];
    int rc;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)job);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        base->of = (struct store_place){job, (uint32_t)sqlite3_column_int64(stmt, 0),
                                        (uint32_t)sqlite3_column_int64(stmt, 1)};
        base->place = (uint64_t)sqlite3_column_int64(stmt, 2);
    }
    *found = rc == SQLITE_ROW && base->place < DIFFERENCES_MOST;
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? EVD_OK : sqlite_error(sqlite, rc, err);
}

/* What is to be stored in place of the strategy, if that saves room. */
static int find_difference(struct sqlite *sqlite, const struct store_revision *revision,
                           struct base *base, bool *differs, struct text *out,
                           struct evd_error *err)
{
    struct text text;
    int code;

    *differs = false;
    if (revision->strategy_bytes < DIFFERENCE_FROM_BYTES)
        return EVD_OK;
    code = find_base(sqlite, revision->job, base, differs, err);
    if (code != EVD_OK || !*differs)
        return code;
    code = difference_read(sqlite, &base->of, &text.data, &text.bytes, err);
    if (code != EVD_OK)
        return code;
    /* What is damaged is nothing to rely on. */
    *differs = text.bytes > 0 && compress(&text, revision->strategy, revision->strategy_bytes, out);
    free(text.data);
    return EVD_OK;
}

int difference_add(struct sqlite *sqlite, struct store_revision *revision, struct evd_error *err)
{
    struct text stored;
    struct base base;
    bool differs;
    int code = find_difference(sqlite, revision, &base, &differs, &stored, err);

    assert(revision->strategy_bytes <= EVD_MAX_REPLY_FRAME);
    if (code != EVD_OK)
        return code;
    revision->stored_bytes = differs ? stored.bytes : revision->strategy_bytes;
    code =
        sqlite_do(sqlite, err, SQL_REVISION_ADD, "unnuuunbuus", revision->job, revision->generation,
                  revision->revision, revision->epoch, revision->step, revision->shape_steps,
                  revision->shape_last, differs ? stored.data : revision->strategy,
                  revision->stored_bytes, revision->digest, revision->created, revision->author);
    if (code == EVD_OK && differs)
        code = sqlite_do(sqlite, err, SQL_DIFFERENCE_ADD, "unnnnu", revision->job,
                         revision->generation, revision->revision, base.of.generation,
                         base.of.revision, base.place + 1);
    if (differs)
        free(stored.data);
    return code;
}
