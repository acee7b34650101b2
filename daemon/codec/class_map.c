/* Numbers by class, as parameters of strategies (class_map.h). Called by strategy.c. */
#include "codec/class_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/numbers.h"
#include "proto/pack.h"

/* Up to here explicit numbers are recorded by class name, which reads well; beyond, as bin. */
#define BY_NAME_MOST 1024u

static const char *param_name(const struct strategy *strategy, int param)
{
    return strategy_param(strategy->kind, param)->name;
}

static int set_class(struct strategy *strategy, int at, uint32_t c, double number,
                     const struct dataset *dataset, struct evd_error *err)
{
    double *value = &strategy->values[at].by_class[c];
    const char *param = param_name(strategy, at);

    if (!isfinite(number))
        return error_set(err, EVD_E_BAD_VALUE, dataset_class_name(dataset, c),
                         "strategy %s: \"%s\" of class \"%s\" is not a finite number",
                         strategy->kind->name, param, dataset_class_name(dataset, c));
    if (!isnan(*value))
        return error_set(err, EVD_E_BAD_VALUE, dataset_class_name(dataset, c),
                         "strategy %s: \"%s\" names class \"%s\" twice", strategy->kind->name,
                         param, dataset_class_name(dataset, c));
    *value = number;
    return EVD_OK;
}

static int not_a_number(const struct strategy *strategy, int at, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, param_name(strategy, at),
                     "strategy %s: every value in \"%s\" must be a number", strategy->kind->name,
                     param_name(strategy, at));
}

static int decode_by_name(struct strategy *strategy, int at, const msgpack_object *value,
                          const struct dataset *dataset, struct evd_error *err)
{
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        const msgpack_object_kv *kv = &value->via.map.ptr[i];
        char detail[EVD_MAX_NAME + 1];
        struct evd_str name;
        double number;
        int64_t c;

        if (!text_from(&kv->key, &name))
            return error_set(err, EVD_E_BAD_TYPE, param_name(strategy, at),
                             "strategy %s: the keys of \"%s\" must be class names",
                             strategy->kind->name, param_name(strategy, at));
        c = dataset_class_find(dataset, name);
        if (c < 0) {
            snprintf(detail, sizeof(detail), "%.*s", name.len < 64 ? (int)name.len : 64, name.data);
            return error_set(
                err, EVD_E_NOT_FOUND, detail,
                "strategy %s: \"%s\" names a class \"%s\" that dataset \"%s\" does not "
                "have: dataset.stats shows its classes",
                strategy->kind->name, param_name(strategy, at), detail, dataset->name);
        }
        if (!number_f64(&kv->val, &number))
            return not_a_number(strategy, at, err);
        if (set_class(strategy, at, (uint32_t)c, number, dataset, err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

/* As many numbers as there are classes, in class order. */
static int decode_in_order(struct strategy *strategy, int at, const msgpack_object *value,
                           const struct dataset *dataset, struct evd_error *err)
{
    bool bin = value->type == MSGPACK_OBJECT_BIN;
    uint32_t classes = dataset->index.classes;
    uint64_t wanted = bin ? (uint64_t)classes * 8 : classes;
    uint64_t given = bin ? value->via.bin.size : value->via.array.size;
    struct numbers numbers = {.object = value, .width = sizeof(double), .count = classes};

    if (given != wanted)
        return error_set(err, EVD_E_BAD_VALUE, param_name(strategy, at),
                         "strategy %s: \"%s\" must have one number for each of the %u classes%s",
                         strategy->kind->name, param_name(strategy, at), classes,
                         bin ? ", as 8 bytes each (little-endian f64)" : "");
    for (uint32_t c = 0; c < classes; c++) {
        double number;

        if (!numbers_f64(&numbers, c, &number))
            return not_a_number(strategy, at, err);
        if (bin && isnan(number))
            continue; /* not named: only our own records hold these */
        if (set_class(strategy, at, c, number, dataset, err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

int class_map_decode(struct strategy *strategy, int at, const msgpack_object *value,
                     const struct dataset *dataset, struct evd_error *err)
{
    if (!strategy_class_map(strategy, at))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for a strategy of %u classes",
                         dataset->index.classes);
    if (value->type == MSGPACK_OBJECT_MAP)
        return decode_by_name(strategy, at, value, dataset, err);
    return decode_in_order(strategy, at, value, dataset, err);
}

void pack_key_number(msgpack_packer *pk, const char *key, double value)
{
    if (value == floor(value) && fabs(value) <= 0x1p53) {
        pack_key(pk, key);
        msgpack_pack_int64(pk, (int64_t)value);
    } else {
        pack_key_f64(pk, key, value);
    }
}

void class_map_encode(msgpack_packer *pk, const double *by_class, const struct dataset *dataset,
                      struct evd_buf *out)
{
    uint32_t classes = dataset->index.classes, named = 0;

    for (uint32_t c = 0; c < classes; c++)
        named += !isnan(by_class[c]);
    if (named <= BY_NAME_MOST) {
        pack_map_begin(pk);
        for (uint32_t c = 0; c < classes; c++) {
            if (!isnan(by_class[c]))
                pack_key_number(pk, dataset_class_name(dataset, c), by_class[c]);
        }
        pack_map_end(pk);
        return;
    }
    msgpack_pack_bin(pk, (size_t)classes * 8);
    for (uint32_t c = 0; c < classes; c++) {
        uint8_t bytes[8];
        uint64_t bits;

        memcpy(&bits, &by_class[c], sizeof(bits));
        for (int b = 0; b < 8; b++)
            bytes[b] = (uint8_t)(bits >> (8 * b));
        buf_append(out, bytes, sizeof(bytes));
    }
}
