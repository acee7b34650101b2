/* Strategies from and to MessagePack, by the table of their kinds. Called by whoever builds plans.
 */
#include "codec/strategy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "codec/recorded.h"
#include "proto/numbers.h"
#include "proto/pack.h"

/* Up to here explicit numbers are recorded by class name, which reads well; beyond, as bin. */
#define BY_NAME_MOST 1024u

/* Of a peer's text, as much as a message should repeat. */
static int shown(struct evd_str text)
{
    return text.len < 64 ? (int)text.len : 64;
}

static int unknown_kind(struct evd_str name, struct evd_error *err)
{
    char known[256] = "", detail[65];
    size_t len = 0;

    for (int i = 0; strategy_kinds[i] && len < sizeof(known); i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                strategy_kinds[i]->name);
    snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
    return error_set(err, EVD_E_STRATEGY, "kind",
                     "there is no strategy \"%s\": there are %s (strategy.list explains them)",
                     detail, known);
}

static int unknown_param(const struct strategy_kind *kind, struct evd_str name,
                         struct evd_error *err)
{
    const char *nearest = NULL;
    uint32_t least = name.len / 2 < 4 ? name.len / 2 + 1 : 4;
    char known[192] = "none", hint[96] = "", detail[65];
    size_t len = 0;

    for (int i = 0; i < STRATEGY_MAX_PARAMS && kind->params[i].name; i++) {
        uint32_t distance = str_distance(name, kind->params[i].name);

        if (distance < least) {
            least = distance;
            nearest = kind->params[i].name;
        }
        if (len < sizeof(known))
            len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                    kind->params[i].name);
    }
    if (nearest)
        snprintf(hint, sizeof(hint), " did you mean \"%s\"?", nearest);
    snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
    return error_set(err, EVD_E_UNKNOWN_FIELD, detail,
                     "strategy %s has no parameter \"%s\":%s it takes %s", kind->name, detail, hint,
                     known);
}

/* "a number, a word or numbers by class". */
static int bad_type(const struct strategy_kind *kind, const struct strategy_param *param,
                    struct evd_error *err)
{
    static const struct {
        unsigned bit;
        const char *words;
    } forms[] = {
        {STRATEGY_NUMBER, "a number"},
        {STRATEGY_TEXT, "a word"},
        {STRATEGY_BOOLEAN, "true or false"},
        {STRATEGY_CLASS_MAP, "numbers by class"},
        {STRATEGY_COLUMN, "the name of a column"},
    };
    char list[96] = "";
    size_t len = 0;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (param->accepts & forms[i].bit)
            len += (size_t)snprintf(list + len, sizeof(list) - len, len ? " or %s" : "%s",
                                    forms[i].words);
    }
    return error_set(err, EVD_E_BAD_TYPE, param->name, "strategy %s: \"%s\" must be %s (%s)",
                     kind->name, param->name, list, param->help);
}

static int set_class(struct strategy *strategy, int at, uint32_t c, double number,
                     const struct dataset *dataset, struct evd_error *err)
{
    double *value = &strategy->values[at].by_class[c];
    const char *param = strategy->kind->params[at].name;

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
    return error_set(err, EVD_E_BAD_TYPE, strategy->kind->params[at].name,
                     "strategy %s: every value in \"%s\" must be a number", strategy->kind->name,
                     strategy->kind->params[at].name);
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
            return error_set(err, EVD_E_BAD_TYPE, strategy->kind->params[at].name,
                             "strategy %s: the keys of \"%s\" must be class names",
                             strategy->kind->name, strategy->kind->params[at].name);
        c = dataset_class_find(dataset, name);
        if (c < 0) {
            snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
            return error_set(
                err, EVD_E_NOT_FOUND, detail,
                "strategy %s: \"%s\" names a class \"%s\" that dataset \"%s\" does not "
                "have: dataset.stats shows its classes",
                strategy->kind->name, strategy->kind->params[at].name, detail, dataset->name);
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
        return error_set(err, EVD_E_BAD_VALUE, strategy->kind->params[at].name,
                         "strategy %s: \"%s\" must have one number for each of the %u classes%s",
                         strategy->kind->name, strategy->kind->params[at].name, classes,
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

static int decode_class_map(struct strategy *strategy, int at, const msgpack_object *value,
                            const struct dataset *dataset, struct evd_error *err)
{
    if (!strategy_class_map(strategy, at))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for a strategy of %u classes",
                         dataset->index.classes);
    if (value->type == MSGPACK_OBJECT_MAP)
        return decode_by_name(strategy, at, value, dataset, err);
    return decode_in_order(strategy, at, value, dataset, err);
}

static int decode_text(struct strategy *strategy, int at, struct evd_str text,
                       struct evd_error *err)
{
    struct strategy_value *value = &strategy->values[at];

    if (text.len >= sizeof(value->text) || !str_utf8(text) || memchr(text.data, 0, text.len))
        return error_set(err, EVD_E_BAD_VALUE, strategy->kind->params[at].name,
                         "strategy %s: \"%s\" must be text of at most %zu bytes",
                         strategy->kind->name, strategy->kind->params[at].name,
                         sizeof(value->text) - 1);
    memcpy(value->text, text.data, text.len);
    value->text[text.len] = '\0';
    value->tag = VALUE_TEXT;
    return EVD_OK;
}

static int unknown_column(const struct strategy *strategy, int at, const struct dataset *dataset,
                          struct evd_error *err)
{
    const char *name = strategy->values[at].text;
    char known[DATASET_MAX_COLUMNS * (EVD_MAX_NAME + 2) + 1] = "none";
    size_t len = 0;

    for (uint32_t i = 0; i < dataset->column_count; i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                dataset->columns[i].name);
    return error_set(err, EVD_E_NOT_FOUND, name,
                     "strategy %s: dataset \"%s\" has no column of weights \"%s\": it has %s",
                     strategy->kind->name, dataset->name, name, known);
}

const double *strategy_column(const struct strategy *strategy, const struct dataset *dataset)
{
    const struct strategy_param *params = strategy->kind->params;

    for (int i = 0; i < STRATEGY_MAX_PARAMS && params[i].name; i++) {
        const struct strategy_value *value = &strategy->values[i];

        if (params[i].accepts & STRATEGY_COLUMN && value->tag == VALUE_TEXT)
            return dataset_weights(dataset,
                                   (struct evd_str){value->text, (uint32_t)strlen(value->text)});
    }
    return NULL;
}

static int decode_column(struct strategy *strategy, int at, struct evd_str text,
                         const struct dataset *dataset, struct evd_error *err)
{
    if (decode_text(strategy, at, text, err) != EVD_OK)
        return err->code;
    if (dataset_weights(dataset, text))
        return EVD_OK;
    return unknown_column(strategy, at, dataset, err);
}

static bool is_word(const msgpack_object *bin)
{
    for (uint32_t i = 0; i < bin->via.bin.size; i++) {
        if (bin->via.bin.ptr[i] < ' ' || bin->via.bin.ptr[i] > '~')
            return false;
    }
    return bin->via.bin.size > 0;
}

/* Bin is numbers by class, or text. Where a parameter takes either, it is text if it is as long as
 * the numbers are not, and holds nothing but letters and signs. */
static bool is_numbers(const msgpack_object *object, const struct strategy_param *param,
                       const struct dataset *dataset)
{
    if (object->type != MSGPACK_OBJECT_BIN || !(param->accepts & STRATEGY_CLASS_MAP))
        return false;
    return !(param->accepts & STRATEGY_TEXT) || !is_word(object) ||
           object->via.bin.size == (uint64_t)dataset->index.classes * sizeof(double);
}

static int decode_value(struct strategy *strategy, int at, const msgpack_object *object,
                        const struct dataset *dataset, struct evd_error *err)
{
    const struct strategy_param *param = &strategy->kind->params[at];
    struct strategy_value *value = &strategy->values[at];
    bool by_class = object->type == MSGPACK_OBJECT_MAP || object->type == MSGPACK_OBJECT_ARRAY ||
                    is_numbers(object, param, dataset);
    struct evd_str text;
    double number;

    if (value->tag != VALUE_UNSET)
        return error_set(err, EVD_E_BAD_VALUE, param->name, "strategy %s: \"%s\" is given twice",
                         strategy->kind->name, param->name);
    if (object->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (by_class && param->accepts & STRATEGY_CLASS_MAP)
        return decode_class_map(strategy, at, object, dataset, err);
    if (param->accepts & STRATEGY_TEXT && text_from(object, &text))
        return decode_text(strategy, at, text, err);
    if (param->accepts & STRATEGY_COLUMN && text_from(object, &text))
        return decode_column(strategy, at, text, dataset, err);
    if (object->type == MSGPACK_OBJECT_BOOLEAN && param->accepts & STRATEGY_BOOLEAN) {
        value->tag = VALUE_BOOLEAN;
        value->number = object->via.boolean;
        return EVD_OK;
    }
    if (!(param->accepts & STRATEGY_NUMBER) || !number_f64(object, &number))
        return bad_type(strategy->kind, param, err);
    if (!isfinite(number))
        return error_set(err, EVD_E_BAD_VALUE, param->name,
                         "strategy %s: \"%s\" is not a finite number", strategy->kind->name,
                         param->name);
    value->tag = VALUE_NUMBER;
    value->number = number;
    return EVD_OK;
}

static int find_kind(const msgpack_object *object, const struct strategy_kind **kind,
                     struct evd_error *err)
{
    const msgpack_object *found = NULL;
    struct evd_str text;

    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];

        if (!text_from(&kv->key, &text))
            return error_set(err, EVD_E_BAD_TYPE, "strategy",
                             "names of a strategy's parameters must be text");
        if (!str_is(text, "kind"))
            continue;
        if (found)
            return error_set(err, EVD_E_BAD_VALUE, "kind", "a strategy's \"kind\" is given twice");
        found = &kv->val;
    }
    if (!found)
        return error_set(err, EVD_E_MISSING_FIELD, "kind",
                         "a strategy needs its \"kind\", as in {\"kind\": \"weighted\"}");
    if (!text_from(found, &text))
        return error_set(err, EVD_E_BAD_TYPE, "kind", "a strategy's \"kind\" must be text");
    *kind = strategy_find(text.data, text.len);
    return *kind ? EVD_OK : unknown_kind(text, err);
}

static int decode_params(struct strategy *strategy, const msgpack_object *object,
                         const struct dataset *dataset, struct evd_error *err)
{
    const struct strategy_kind *kind = strategy->kind;

    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];
        struct evd_str key;
        int at;

        if (!text_from(&kv->key, &key) || str_is(key, "kind"))
            continue; /* find_kind has seen that all are text */
        at = strategy_param_find(kind, key.data, key.len);
        if (at < 0)
            return unknown_param(kind, key, err);
        if (decode_value(strategy, at, &kv->val, dataset, err) != EVD_OK)
            return err->code;
    }
    for (int i = 0; i < STRATEGY_MAX_PARAMS && kind->params[i].name; i++) {
        if (!kind->params[i].default_value && strategy->values[i].tag == VALUE_UNSET)
            return error_set(err, EVD_E_MISSING_FIELD, kind->params[i].name,
                             "strategy %s needs \"%s\": %s", kind->name, kind->params[i].name,
                             kind->params[i].help);
    }
    return EVD_OK;
}

int strategy_decode(const msgpack_object *object, const struct dataset *dataset,
                    struct strategy *out, struct evd_error *err)
{
    const struct strategy_kind *kind = NULL;

    if (!object) {
        strategy_init(out, strategy_find("uniform", strlen("uniform")), dataset->index.classes);
        return EVD_OK;
    }
    if (object->type != MSGPACK_OBJECT_MAP)
        return error_set(err, EVD_E_BAD_TYPE, "strategy",
                         "a strategy must be a map, as in {\"kind\": \"weighted\"}");
    if (find_kind(object, &kind, err) != EVD_OK)
        return err->code;
    strategy_init(out, kind, dataset->index.classes);
    if (decode_params(out, object, dataset, err) == EVD_OK)
        return EVD_OK;
    strategy_fini(out);
    return err->code;
}

int strategy_decode_bytes(const void *bytes, size_t n, const struct dataset *dataset,
                          struct strategy *out, struct evd_error *err)
{
    msgpack_unpacked unpacked;
    int code;

    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, bytes, n, NULL) == MSGPACK_UNPACK_SUCCESS)
        code = strategy_decode(&unpacked.data, dataset, out, err);
    else
        code = recorded_damaged(err);
    msgpack_unpacked_destroy(&unpacked);
    return code;
}

/* Whole numbers as integers, so that what a user gave as 3 is not shown as 3.0. */
static void pack_key_number(msgpack_packer *pk, const char *key, double value)
{
    if (value == floor(value) && fabs(value) <= 0x1p53) {
        pack_key(pk, key);
        msgpack_pack_int64(pk, (int64_t)value);
    } else {
        pack_key_f64(pk, key, value);
    }
}

static void encode_class_map(msgpack_packer *pk, const double *by_class,
                             const struct dataset *dataset, struct evd_buf *out)
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

void strategy_encode(const struct strategy *strategy, const struct dataset *dataset,
                     struct evd_buf *out)
{
    const struct strategy_param *params = strategy->kind->params;
    msgpack_packer pk;

    buf_packer(out, &pk);
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "kind", strategy->kind->name);
    for (int i = 0; i < STRATEGY_MAX_PARAMS; i++) {
        const struct strategy_value *value = &strategy->values[i];

        switch (value->tag) {
        case VALUE_UNSET:
            break;
        case VALUE_NUMBER:
            pack_key_number(&pk, params[i].name, value->number);
            break;
        case VALUE_TEXT:
            pack_key_cstr(&pk, params[i].name, value->text);
            break;
        case VALUE_BOOLEAN:
            pack_key_bool(&pk, params[i].name, value->number != 0);
            break;
        case VALUE_CLASS_MAP:
            pack_key(&pk, params[i].name);
            encode_class_map(&pk, value->by_class, dataset, out);
            break;
        }
    }
    pack_map_end(&pk);
}

struct evd_str strategy_kind_text(const void *bytes, size_t n)
{
    static const char begin[] = "\xa4kind";
    const uint8_t *at = bytes;
    size_t head = 1 + sizeof(begin) - 1; /* a map of at most 15 entries, and the first key */

    if (n <= head || (at[0] & 0xf0) != 0x80 || memcmp(at + 1, begin, head - 1) != 0 ||
        (at[head] & 0xe0) != 0xa0 || (at[head] & 0x1fu) > n - head - 1)
        return (struct evd_str){"", 0};
    return (struct evd_str){(const char *)at + head + 1, at[head] & 0x1fu};
}
