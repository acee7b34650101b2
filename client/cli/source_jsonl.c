/*
 * JSON lines: an object a line, of which --column names the field that holds the label: a text, a
 * number, true or false; null is no label. Parsed by jansson.
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT  (16u << 20)
#define NAMES_SHOWN 200 /* bytes of the fields' names in messages */

/* "{" and then a field's name, or nothing, on the first line that is not empty. */
static bool sniff(const unsigned char *head, size_t len)
{
    const char *text = (const char *)head;

    (void)len; /* a NUL ends it */
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    text += strspn(text, " \t\r\n");
    if (*text != '{')
        return false;
    text++;
    text += strspn(text, " \t");
    return *text == '"' || *text == '}';
}

/* Without the field, or without --column: which fields there are. */
static bool no_field(struct source_labels *labels, const json_t *object)
{
    char names[NAMES_SHOWN] = "";
    size_t len = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (len < sizeof(names))
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? ", " : "",
                                    key);
    }
    if (!labels->source->column)
        return source_error(labels->source,
                            "say with --column which field holds the labels; it has: %s%s", names,
                            len < sizeof(names) ? "" : "...");
    return source_error(labels->source, "has no field '%s'; it has: %s%s", labels->source->column,
                        names, len < sizeof(names) ? "" : "...");
}

/* The shortest text that reads as the same number. */
static bool pass_real(struct source_labels *labels, double value)
{
    char number[32];
    int digits = 15;

    do
        snprintf(number, sizeof(number), "%.*g", digits, value);
    while (digits++ < 17 && strtod(number, NULL) != value);
    return source_label(labels, number, strlen(number));
}

static bool pass_value(struct source_labels *labels, const json_t *value)
{
    char number[32];

    switch (json_typeof(value)) {
    case JSON_STRING:
        return source_label(labels, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return source_label(labels, number, strlen(number));
    case JSON_REAL:
        return pass_real(labels, json_real_value(value));
    case JSON_TRUE:
        return source_label(labels, "true", 4);
    case JSON_FALSE:
        return source_label(labels, "false", 5);
    case JSON_NULL:
        return source_label(labels, "", 0);
    default:
        return source_error(labels->source,
                            "holds in '%s' a list or an object, where one label is needed",
                            labels->source->column);
    }
}

static bool take_line(void *arg, char *line, size_t len)
{
    struct source_labels *labels = arg;
    const json_t *value;
    json_error_t error;
    json_t *object;
    bool ok;

    while (len > 0 && strchr(" \t\r", line[len - 1])) /* there is no NUL */
        len--;
    if (len == 0)
        return true;
    object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return source_error(labels->source, "is no JSON object: %s", error.text);
    value = labels->source->column ? json_object_get(object, labels->source->column) : NULL;
    if (!json_is_object(object))
        ok = source_error(labels->source, "is a JSON list, where an object is needed");
    else
        ok = value ? pass_value(labels, value) : no_field(labels, object);
    json_decref(object);
    return ok;
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_labels labels = {source, sink, arg};

    return source_lines_each(source, LINE_LIMIT, take_line, &labels);
}

const struct source_format source_jsonl = {
    .name = "jsonl",
    .alias = "ndjson",
    .suffixes = {".jsonl", ".ndjson"},
    .sniff = sniff,
    .read = read_labels,
    .columns = true,
};
