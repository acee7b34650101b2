/* Reads rows and their columns (rows.h). */
#include "store/sqlite/rows.h"

#include <sqlite3.h>
#include <string.h>
#include "store/sqlite/error.h"

int rows_each(struct loading *load, const char *sql, uint64_t key, row_handler handle)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(load->sqlite->db, sql, -1, &stmt, NULL);
    int code = EVD_OK;

    if (rc != SQLITE_OK)
        return sqlite_error(load->sqlite, rc, load->err);
    if (sqlite3_bind_parameter_count(stmt) == 1)
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    while (code == EVD_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        load->row_damaged = false;
        code = handle(load, stmt);
    }
    if (code == EVD_OK && rc != SQLITE_DONE)
        code = sqlite_error(load->sqlite, rc, load->err);
    sqlite3_finalize(stmt);
    return code;
}

uint64_t row_u64(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

uint32_t row_u32(struct loading *load, sqlite3_stmt *row, int column)
{
    sqlite3_int64 value = sqlite3_column_int64(row, column);

    load->row_damaged |= value < 0 || value > UINT32_MAX;
    return (uint32_t)value;
}

const char *row_text(struct loading *load, sqlite3_stmt *row, int column)
{
    const char *value = (const char *)sqlite3_column_text(row, column);

    if (!value)
        return "";
    load->row_damaged |= strlen(value) != (size_t)sqlite3_column_bytes(row, column);
    return value;
}

bool rows_out_of_memory(const struct loading *load)
{
    return sqlite3_errcode(load->sqlite->db) == SQLITE_NOMEM;
}

int rows_no_memory(struct loading *load)
{
    return sqlite_error(load->sqlite, SQLITE_NOMEM, load->err);
}
