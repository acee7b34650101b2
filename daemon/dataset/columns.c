/*
 * Weight columns of a builder and a dataset: kept in the order of their names, so that the checksum
 * does not depend on which came first.
 */
#include "dataset/builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Its place among the columns, or -1. */
static int find(const struct weight_column *columns, uint32_t count, struct evd_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (str_is(name, columns[i].name))
            return (int)i;
    }
    return -1;
}

void weight_columns_free(struct weight_column *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(columns[i].values);
}

/* What was reserved beyond need goes back. */
void weight_column_trim(struct weight_column *column)
{
    double *values = realloc(column->values, column->n * sizeof(*values));

    if (!values)
        return;
    column->values = values;
    column->cap = column->n;
}

static int check_values(const struct weight_column *column, const double *values, size_t n,
                        struct evd_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] >= 0 && isfinite(values[i])))
            return error_set(err, EVD_E_BAD_VALUE, column->name,
                             "column \"%s\": sample %" PRIu64 " has weight %g: weights are finite "
                             "and not negative; 0 is never drawn",
                             column->name, column->n + i, values[i]);
    }
    return EVD_OK;
}

static int grow(struct weight_column *column, uint64_t need)
{
    uint64_t cap = column->cap + column->cap / 2;
    double *values;

    if (need <= column->cap)
        return EVD_OK;
    if (cap < need)
        cap = need;
    values = realloc(column->values, cap * sizeof(*values));
    if (!values)
        return EVD_E_NO_MEMORY;
    column->values = values;
    column->cap = cap;
    return EVD_OK;
}

static int append(struct weight_column *column, const double *values, size_t n,
                  struct evd_error *err)
{
    int code;

    if (n > EVD_MAX_SAMPLES - column->n)
        return error_set(err, EVD_E_LIMIT, column->name,
                         "a dataset has at most %" PRIu64 " samples", EVD_MAX_SAMPLES);
    code = check_values(column, values, n, err);
    if (code != EVD_OK)
        return code;
    if (grow(column, column->n + n) != EVD_OK)
        return builder_no_memory(err);
    for (size_t i = 0; i < n; i++)
        column->values[column->n + i] = values[i] + 0.0; /* -0.0 becomes 0.0 */
    column->n += n;
    return EVD_OK;
}

/* Puts a new column in its place among the others. */
static void insert(struct dataset_builder *builder, const struct weight_column *column)
{
    uint32_t at = builder->column_count++;

    for (; at > 0 && strcmp(builder->columns[at - 1].name, column->name) > 0; at--)
        builder->columns[at] = builder->columns[at - 1];
    builder->columns[at] = *column;
}

static int start_column(const struct dataset_builder *builder, struct evd_str name,
                        struct weight_column *column, struct evd_error *err)
{
    int code = name_check_stored(name, "column name", err);

    if (code != EVD_OK)
        return code;
    if (builder->column_count == DATASET_MAX_COLUMNS)
        return error_set(err, EVD_E_LIMIT, "column", "a dataset has at most %u weight columns",
                         DATASET_MAX_COLUMNS);
    memcpy(column->name, name.data, name.len);
    return EVD_OK;
}

int dataset_builder_weights(struct dataset_builder *builder, struct evd_str name,
                            const double *values, size_t n, struct evd_error *err)
{
    int at = find(builder->columns, builder->column_count, name);
    struct weight_column fresh = {0};

    if (at >= 0)
        return append(&builder->columns[at], values, n, err);
    int code = start_column(builder, name, &fresh, err);
    if (code == EVD_OK)
        code = append(&fresh, values, n, err);
    if (code == EVD_OK)
        insert(builder, &fresh);
    return code;
}

uint64_t dataset_builder_column(const struct dataset_builder *builder, struct evd_str name)
{
    int at = find(builder->columns, builder->column_count, name);

    return at >= 0 ? builder->columns[at].n : 0;
}

const double *dataset_weights(const struct dataset *dataset, struct evd_str name)
{
    int at = find(dataset->columns, dataset->column_count, name);

    return at >= 0 ? dataset->columns[at].values : NULL;
}
