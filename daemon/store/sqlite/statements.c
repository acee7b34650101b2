/*
 * Prepares statements and runs them with their parameters, for write.c and tidy.c.
 */
#include "store/sqlite/statements.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include "store/sqlite/error.h"
#include "store/sqlite/sqlite.h"

static const char *const statement_texts[] = {
#define SQL_TEXT(id, text) text,
    SQL_STATEMENTS(SQL_TEXT)
#undef SQL_TEXT
};

int sqlite_prepare(struct sqlite *sqlite)
{
    int rc = SQLITE_OK;

    for (int i = 0; i < SQL_COUNT && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(sqlite->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &sqlite->statements[i], NULL);
    return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc; /* a table or column is missing */
}

static void bind(sqlite3_stmt *stmt, const char *types, va_list ap)
{
    assert(sqlite3_bind_parameter_count(stmt) == (int)strlen(types));
    for (int i = 1; *types; i++, types++) {
        if (*types == 'u') {
            sqlite3_bind_int64(stmt, i, (sqlite3_int64)va_arg(ap, uint64_t));
        } else if (*types == 'n') {
            sqlite3_bind_int64(stmt, i, va_arg(ap, uint32_t));
        } else if (*types == 's') {
            sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            const void *bytes = va_arg(ap, const void *);
            sqlite3_bind_blob64(stmt, i, bytes ? bytes : "", va_arg(ap, size_t), SQLITE_STATIC);
        }
    }
}

static int run(sqlite3_stmt *stmt, uint64_t *value, const char *types, va_list ap)
{
    int rc;

    bind(stmt, types, ap);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && value)
        *value = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc;
}

int sqlite_run(struct sqlite *sqlite, enum sql_statement statement, uint64_t *value,
               const char *types, ...)
{
    va_list ap;
    int rc;

    va_start(ap, types);
    rc = run(sqlite->statements[statement], value, types, ap);
    va_end(ap);
    return rc;
}

int sqlite_do(struct sqlite *sqlite, struct evd_error *err, enum sql_statement statement,
              const char *types, ...)
{
    va_list ap;
    int rc;

    va_start(ap, types);
    rc = run(sqlite->statements[statement], NULL, types, ap);
    va_end(ap);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? EVD_OK : sqlite_error(sqlite, rc, err);
}
