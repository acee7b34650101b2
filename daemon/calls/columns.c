/* Column names from a request (columns.h). Called by stream.open and job.batch. */
#include "calls/columns.h"

#include "proto/numbers.h"
#include "proto/pack.h"

static int unknown_column(struct evd_str name, struct evd_error *err)
{
    char list[COLUMNS_LIST];

    columns_list(list, (1u << COLUMN_COUNT) - 1);
    return error_set(err, EVD_E_NOT_FOUND, "columns",
                     "stream.open: there is no column \"%.*s\": there are %s",
                     name.len < 64 ? (int)name.len : 64, name.data, list);
}

int columns_decode(const msgpack_object *object, struct batch_format *format, struct evd_error *err)
{
    if (!object)
        return EVD_OK;
    if (object->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "columns",
                         "stream.open: \"columns\" must be an array of column names");
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *name = &object->via.array.ptr[i];
        struct evd_str text;
        int column;

        if (!text_from(name, &text))
            return error_set(err, EVD_E_BAD_TYPE, "columns",
                             "stream.open: \"columns\" must be an array of column names");
        column = column_find(text.data, text.len);
        if (column < 0)
            return unknown_column(text, err);
        format->columns |= 1u << column;
    }
    return EVD_OK;
}

void pack_key_columns(msgpack_packer *pk, const char *key, uint32_t columns)
{
    pack_key_array(pk, key, (size_t)__builtin_popcount(columns));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (columns & 1u << i)
            pack_cstr(pk, column_name((enum column)i));
    }
}
