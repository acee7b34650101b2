/*
 * Attachments: the function of evendraw.h that says whether one is there already.
 */
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "client/lib/client.h"

/* What an attachment is, beside its name and terms. */
static const char *const fields[] = {"kind", "k", "scope", "metric", "folds"};

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

    return json_is_number(x) && json_is_number(y) ? json_number_value(x) == json_number_value(y)
                                                  : json_equal(x, y) || (!x && !y);
}

/* The first key by which they differ, or NULL. *unknown: something cannot be compared. */
static const char *compare_terms(const json_t *there, const json_t *wanted, bool *unknown)
{
    bool other_type = !same(there, wanted, "type");
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)wanted, key, value)
    {
        if (strcmp(key, "library") == 0)
            continue;
        if (!json_object_get(there, key) ||
            (other_type && (strcmp(key, "type") == 0 || strcmp(key, "features") == 0)))
            *unknown = true;
        else if (!same(there, wanted, key))
            return key;
    }
    return NULL;
}

static const char *compare(const json_t *there, const json_t *wanted, bool *unknown)
{
    if (json_object_get(there, "damage"))
        return "damage";
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!same(there, wanted, fields[i]))
            return fields[i];
    }
    return compare_terms(json_object_get(there, "terms"), json_object_get(wanted, "terms"),
                         unknown);
}

static int no_memory(struct evd_client *client)
{
    return error_set(&client->error, EVD_E_NO_MEMORY, "",
                     "no memory for what attachment.list answers, or it cannot be read");
}

/* What attachment.list answers, or NULL: told in the client. */
static json_t *list(struct evd_client *client, const json_t *wanted)
{
    json_t *asked = json_object(), *answer = NULL;
    char *text, *result = NULL;

    for (const char *const *key = (const char *const[]){"dataset", "version", NULL}; *key; key++) {
        if (json_object_get(wanted, *key))
            json_object_set(asked, *key, json_object_get(wanted, *key));
    }
    text = json_dumps(asked, JSON_COMPACT);
    json_decref(asked);
    if (!text) {
        no_memory(client);
    } else if (evd_call(client, "attachment.list", text, &result) == EVD_OK) {
        answer = json_loads(result, 0, NULL);
        if (!answer)
            no_memory(client);
    }
    free(text);
    evd_free(result);
    return answer;
}

/* That of the list which has the wanted name, or NULL. */
static const json_t *named(const json_t *answer, const json_t *wanted)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(answer, "attachments"), i, row)
    {
        if (same(row, wanted, "name"))
            return row;
    }
    return NULL;
}

static int exists(struct evd_client *client, const json_t *there, const char *differs)
{
    const char *dataset = json_string_value(json_object_get(there, "dataset"));

    return error_set(&client->error, EVD_E_EXISTS, differs,
                     "%s, version %llu, has another attachment \"%s\" already, which differs in "
                     "\"%s\": give this one another name, or remove that one by attachment.drop",
                     dataset ? dataset : "the dataset",
                     (unsigned long long)json_integer_value(json_object_get(there, "version")),
                     json_string_value(json_object_get(there, "name")), differs);
}

static int find(struct evd_client *client, const json_t *wanted, char **info)
{
    json_t *answer = list(client, wanted);
    const json_t *there = named(answer, wanted);
    bool unknown = false;
    const char *differs;
    int code = EVD_OK;

    if (!answer)
        return client->error.code;
    differs = there ? compare(there, wanted, &unknown) : NULL;
    if (differs)
        code = exists(client, there, differs);
    else if (there && !unknown && info && !(*info = json_dumps(there, JSON_COMPACT)))
        code = no_memory(client);
    json_decref(answer);
    return code;
}

int evd_attachment_find(evd_client *client, const char *params, char **info)
{
    json_error_t why;
    json_t *wanted;
    int code;

    if (info)
        *info = NULL;
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    wanted = json_loads(params, 0, &why);
    if (!json_is_object(wanted)) {
        json_decref(wanted);
        return error_set(&client->error, EVD_E_USAGE, "params", "params is no JSON object: %s",
                         why.text);
    }
    code = find(client, wanted, info);
    json_decref(wanted);
    return code;
}
