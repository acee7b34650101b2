/* Strategies from and to MessagePack, by the table of their kinds. Called by whoever builds plans.
 */
#include "codec/strategy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "codec/class_map.h"
#include "codec/named.h"
#include "codec/recorded.h"
#include "proto/numbers.h"
#include "proto/pack.h"

static const char *param_name(const struct strategy *strategy, int param)
{
    return strategy_param(strategy->kind, param)->name;
}

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

/* `params` ends with a NULL name, or after `most` of them; `others` is what there may be beside. */
static int unknown_param(const struct strategy_kind *kind, const struct strategy_param *params,
                         int most, const char *others, struct evd_str name, struct evd_error *err)
{
    const char *nearest = NULL;
    uint32_t least = name.len / 2 < 4 ? name.len / 2 + 1 : 4;
    char known[192] = "", hint[96] = "", detail[65];
    size_t len = 0;

    for (int i = 0; i < most && params[i].name; i++) {
        uint32_t distance = str_distance(name, params[i].name);

        if (distance < least) {
            least = distance;
            nearest = params[i].name;
        }
        if (len < sizeof(known))
            len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                    params[i].name);
    }
    if (nearest)
        snprintf(hint, sizeof(hint), " did you mean \"%s\"?", nearest);
    snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
    return error_set(err, EVD_E_UNKNOWN_FIELD, detail,
                     "strategy %s has no parameter \"%s\":%s it takes %s%s%s", kind->name, detail,
                     hint, known, len > 0 && others[0] ? ", " : "", others);
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
    if (text_decode(strategy, at, text, err) != EVD_OK)
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
    const struct strategy_param *param = strategy_param(strategy->kind, at);
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
    if (param->accepts & STRATEGY_ATTACHED)
        return attached_decode(strategy, at, object, err);
    if (by_class && param->accepts & STRATEGY_CLASS_MAP)
        return class_map_decode(strategy, at, object, dataset, err);
    if (param->accepts & STRATEGY_TEXT && text_from(object, &text))
        return text_decode(strategy, at, text, err);
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

static int check_required(const struct strategy *strategy, int first, int end,
                          struct evd_error *err)
{
    for (int i = first; i < end; i++) {
        const struct strategy_param *param = strategy_param(strategy->kind, i);

        if (param->name && !param->default_value && strategy->values[i].tag == VALUE_UNSET)
            return error_set(err, EVD_E_MISSING_FIELD, param->name, "strategy %s needs \"%s\": %s",
                             strategy->kind->name, param->name, param->help);
    }
    return EVD_OK;
}

/* A map within the strategy's: `pairs` or `from`, whose parameters are common ones, from `first` to
 * before `end`. */
static int decode_map(struct strategy *strategy, const char *map, int first, int end,
                      const msgpack_object *object, const struct dataset *dataset,
                      struct evd_error *err)
{
    const struct strategy_kind *kind = strategy->kind;

    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];
        struct evd_str key;
        char name[80];
        int at, len;

        if (!text_from(&kv->key, &key))
            return error_set(err, EVD_E_BAD_TYPE, map,
                             "strategy %s: names within \"%s\" must be text", kind->name, map);
        len = snprintf(name, sizeof(name), "%s.%.*s", map, shown(key), key.data);
        at = (size_t)len == strlen(map) + 1 + key.len /* all of it, and no NUL within */
                 ? strategy_param_find(kind, name, (size_t)len)
                 : -1;
        if (at < first || at >= end)
            return unknown_param(kind, strategy_param(kind, first), end - first, "",
                                 (struct evd_str){name, (uint32_t)len}, err);
        if (decode_value(strategy, at, &kv->val, dataset, err) != EVD_OK)
            return err->code;
    }
    return check_required(strategy, first, end, err);
}

static int decode_pairs(struct strategy *strategy, const msgpack_object *object,
                        const struct dataset *dataset, struct evd_error *err)
{
    if (object->type == MSGPACK_OBJECT_MAP)
        return decode_map(strategy, "pairs", PAIRS_HOW, STRATEGY_VALUES, object, dataset, err);
    return error_set(err, EVD_E_BAD_TYPE, "pairs",
                     "strategy %s: \"pairs\" must be a map, as in {\"how\": \"mixup\"}",
                     strategy->kind->name);
}

static bool map_has(const msgpack_object *object, const char *name)
{
    struct evd_str key;

    for (uint32_t i = 0; object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        if (text_from(&object->via.map.ptr[i].key, &key) && str_is(key, name))
            return true;
    }
    return false;
}

/* A selection, by its name or as it is recorded; or the map of folds. */
static int decode_from(struct strategy *strategy, const msgpack_object *object,
                       const struct dataset *dataset, struct evd_error *err)
{
    struct evd_str text;

    if (text_from(object, &text) || map_has(object, "digest"))
        return decode_value(strategy, FROM_SELECTION, object, dataset, err);
    if (object->type == MSGPACK_OBJECT_MAP)
        return decode_map(strategy, "from", FROM_FOLDS, FROM_ONLY + 1, object, dataset, err);
    return error_set(err, EVD_E_BAD_TYPE, "from",
                     "strategy %s: \"from\" must be the name of a selection, or a map, as in "
                     "{\"folds\": \"cv\", \"without\": 0}",
                     strategy->kind->name);
}

/* A kind may have a number of that name, and other values of it are what every kind takes. */
static bool is_own_from(const struct strategy_kind *kind, const msgpack_object *object)
{
    struct evd_str text;

    return strategy_param_find(kind, "from", strlen("from")) < STRATEGY_MAX_PARAMS &&
           object->type != MSGPACK_OBJECT_MAP && !text_from(object, &text);
}

static int decode_param(struct strategy *strategy, struct evd_str key, const msgpack_object *object,
                        const struct dataset *dataset, struct evd_error *err)
{
    const struct strategy_kind *kind = strategy->kind;
    bool from = str_is(key, "from"), pairs = str_is(key, "pairs");
    bool own_from = from && is_own_from(kind, object);
    int at = strategy_param_find(kind, key.data, key.len);

    if ((from && strategy_has_from(strategy)) ||
        (from && at < STRATEGY_MAX_PARAMS && strategy_given(strategy, at)) ||
        (pairs && strategy_given(strategy, PAIRS_HOW)))
        return error_set(err, EVD_E_BAD_VALUE, from ? "from" : "pairs",
                         "strategy %s: \"%s\" is given twice", kind->name, from ? "from" : "pairs");
    if ((from || pairs) && object->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (pairs)
        return decode_pairs(strategy, object, dataset, err);
    if (from && !own_from)
        return decode_from(strategy, object, dataset, err);
    if (at < 0 || at >= STRATEGY_MAX_PARAMS)
        return unknown_param(kind, kind->params, STRATEGY_MAX_PARAMS, "from, pairs", key, err);
    return decode_value(strategy, at, object, dataset, err);
}

static int decode_params(struct strategy *strategy, const msgpack_object *object,
                         const struct dataset *dataset, struct evd_error *err)
{
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];
        struct evd_str key;

        if (!text_from(&kv->key, &key) || str_is(key, "kind"))
            continue; /* find_kind has seen that all are text */
        if (decode_param(strategy, key, &kv->val, dataset, err) != EVD_OK)
            return err->code;
    }
    return check_required(strategy, 0, STRATEGY_MAX_PARAMS, err);
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

static void encode_value(msgpack_packer *pk, const char *name, const struct strategy_value *value,
                         const struct dataset *dataset, struct evd_buf *out)
{
    switch (value->tag) {
    case VALUE_UNSET:
        break;
    case VALUE_NUMBER:
        pack_key_number(pk, name, value->number);
        break;
    case VALUE_TEXT:
        pack_key_cstr(pk, name, value->text);
        break;
    case VALUE_BOOLEAN:
        pack_key_bool(pk, name, value->number != 0);
        break;
    case VALUE_ATTACHED:
        attached_encode(pk, name, value);
        break;
    case VALUE_CLASS_MAP:
        pack_key(pk, name);
        class_map_encode(pk, value->by_class, dataset, out);
        break;
    }
}

/* A map within the strategy's: the common parameters from `first` to `last` that have values. */
static void encode_map(msgpack_packer *pk, const char *map, int first, int last,
                       const struct strategy *strategy, const struct dataset *dataset,
                       struct evd_buf *out)
{
    pack_key(pk, map);
    pack_map_begin(pk);
    for (int i = first; i <= last; i++)
        encode_value(pk, param_name(strategy, i) + strlen(map) + 1, &strategy->values[i], dataset,
                     out);
    pack_map_end(pk);
}

/* `from` comes first, where strategy_names_attached looks for it. */
void strategy_encode(const struct strategy *strategy, const struct dataset *dataset,
                     struct evd_buf *out)
{
    msgpack_packer pk;

    buf_packer(out, &pk);
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "kind", strategy->kind->name);
    if (strategy_given(strategy, FROM_SELECTION))
        attached_encode(&pk, "from", &strategy->values[FROM_SELECTION]);
    else if (strategy_given(strategy, FROM_FOLDS))
        encode_map(&pk, "from", FROM_FOLDS, FROM_ONLY, strategy, dataset, out);
    for (int i = 0; i < STRATEGY_MAX_PARAMS; i++)
        encode_value(&pk, param_name(strategy, i), &strategy->values[i], dataset, out);
    if (strategy_given(strategy, PAIRS_HOW))
        encode_map(&pk, "pairs", PAIRS_HOW, PAIRS_TAU, strategy, dataset, out);
    pack_map_end(&pk);
}

/* What strategy_kind_text looks for: kind, own parameters, from and pairs. */
_Static_assert(STRATEGY_MAX_PARAMS + 3 <= 15, "a strategy's map has its count in its first byte");

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

bool strategy_names_attached(const void *bytes, size_t n)
{
    static const char from[] = "\xa4"
                               "from";
    struct evd_str kind = strategy_kind_text(bytes, n);
    const struct strategy_kind *found = strategy_find(kind.data, kind.len);
    const char *next = kind.data + kind.len, *end = (const char *)bytes + n;

    if (!found)
        return false;
    return found->needs ||
           ((size_t)(end - next) > sizeof(from) - 1 && memcmp(next, from, sizeof(from) - 1) == 0);
}
