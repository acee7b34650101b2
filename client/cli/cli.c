/*
 * The daemon as commands see it: connecting, calling, what becomes of answers and errors. Called by
 * main.c and by every command.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "print.h"
#include "words.h"
#include "proto/decimal.h"

/* ---- errors ---- */

int cli_failed(struct cli *cli, int code)
{
    fputs("evendraw: ", stderr);
    words_print(stderr, evd_error_message(cli->client));
    fprintf(stderr, " (%s)\n", evd_error_name(code));
    switch (code) {
    case EVD_E_CONNECT:
    case EVD_E_CLOSED:
    case EVD_E_TIMEOUT:
    case EVD_E_SHUTTING_DOWN:
        cli->status = EXIT_CONNECT;
        break;
    case EVD_E_USAGE:
        cli->status = EXIT_USAGE;
        break;
    default:
        cli->status = EXIT_REFUSED;
    }
    return cli->status;
}

int cli_error(struct cli *cli, int status, const char *format, ...)
{
    va_list ap;

    fputs("evendraw: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    cli->status = status;
    return status;
}

int cli_not_utf8(struct cli *cli)
{
    return cli_error(cli, EXIT_USAGE, "an argument is not UTF-8 (or there is no memory)");
}

/* ---- the daemon ---- */

bool cli_connect(struct cli *cli)
{
    evd_client_options options = {.client_name = "evendraw", .time_limit_ms = cli->time_limit_ms};
    int code;

    if (cli->client)
        return true;
    code = evd_connect(cli->server, &options, &cli->client);
    if (code == EVD_E_BAD_VALUE) {
        cli_error(cli, EXIT_USAGE, "%s: %s", cli->server ? "--server" : "EVENDRAW_SERVER",
                  evd_error_message(cli->client));
        return false;
    }
    if (code != EVD_OK)
        cli_failed(cli, code);
    return code == EVD_OK;
}

/* For people to read. */
static void clean(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item) clean(item);
    json_object_foreach(value, key, item) clean(item);
    if (json_is_string(value)) {
        char *text = strdup(json_string_value(value));

        if (text)
            text_clean(text);
        json_string_set(value, text ? text : "");
        free(text);
    }
}

json_t *cli_read(const struct cli *cli, const char *text)
{
    json_t *answer = json_loads(text, 0, NULL);

    if (!cli->json)
        clean(answer);
    return answer;
}

json_t *cli_call(struct cli *cli, const char *method, json_t *params)
{
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    char *result = NULL;
    json_t *answer = NULL;
    int code;

    if (!text) {
        cli_not_utf8(cli);
    } else if (cli_connect(cli)) {
        code = evd_call(cli->client, method, text, &result);
        if (code != EVD_OK)
            cli_failed(cli, code);
        else if (!(answer = cli_read(cli, result)))
            cli_error(
                cli, EXIT_REFUSED,
                "%s: the answer cannot be read, or there is no memory: `evendraw info` shows which "
                "daemon this is",
                method);
    }
    json_decref(params);
    free(text);
    evd_free(result);
    return answer;
}

/* ---- answers in pages ---- */

/* Of what the arrays of an answer have one for each: classes or points. */
static const char *counted_by(const json_t *answer)
{
    return json_object_get(answer, "points") ? "points" : "classes";
}

/* Points of more samples than before are those of another curve. */
static bool goes_on(const json_t *answer, const json_t *page)
{
    return !json_object_get(answer, "points") ||
           field_u64(answer, "samples") == field_u64(page, "samples");
}

/* Appends what `page` has in each of the arrays; how many classes it had (the first one is always
 * there), or -1 without memory. */
static int append_page(json_t *answer, const json_t *page, const char *const *arrays)
{
    int count = (int)json_array_size(json_object_get(page, arrays[0]));

    for (; *arrays; arrays++) {
        json_t *more = json_object_get(page, *arrays);
        if (json_is_array(more) && json_array_extend(json_object_get(answer, *arrays), more) < 0)
            return -1;
    }
    return count;
}

json_t *cli_call_pages(struct cli *cli, const char *method, json_t *params,
                       const char *const *arrays)
{
    json_t *answer = cli_call(cli, method, json_copy(params));
    size_t got = json_array_size(json_object_get(answer, arrays[0]));

    while (answer && got > 0 && got < field_u64(answer, counted_by(answer))) {
        json_t *page;
        int count = -1;

        params_set_u64(params, "first", got);
        if (json_object_get(params, "dataset")) /* the newest may be another by now */
            json_object_set(params, "version", json_object_get(answer, "version"));
        page = cli_call(cli, method, json_copy(params));
        if (page && goes_on(answer, page))
            count = append_page(answer, page, arrays);
        json_decref(page);
        if (count <= 0) {
            if (page)
                cli_error(cli, EXIT_REFUSED, "%s: the answer ends after %zu %s: try again", method,
                          got, counted_by(answer));
            json_decref(answer);
            answer = NULL;
        }
        got += count > 0 ? (size_t)count : 0;
    }
    json_decref(params);
    return answer;
}

/* Where the page ended, into the parameters of the next; false if it has no rows, or without
 * memory. */
static bool go_on_after(json_t *params, const json_t *page, const struct cli_rows *rows)
{
    const json_t *array = json_object_get(page, rows->array);
    size_t n = json_array_size(array);
    const json_t *last = n > 0 ? json_array_get(array, n - 1) : NULL;

    for (int i = 0; i < 2 && rows->after[i].field; i++) {
        json_t *value = json_object_get(last, rows->after[i].field);

        if (json_object_set(params, rows->after[i].param, value) < 0)
            return false;
    }
    return true;
}

json_t *cli_call_rows(struct cli *cli, const char *method, json_t *params,
                      const struct cli_rows *rows)
{
    json_t *answer = cli_call(cli, method, json_copy(params)), *all;
    bool more = json_is_true(json_object_get(answer, "more"));
    json_t *page = json_incref(answer);

    while (answer && more) {
        bool placed = go_on_after(params, page, rows);

        json_decref(page);
        page = placed ? cli_call(cli, method, json_copy(params)) : NULL;
        all = json_object_get(answer, rows->array);
        more = json_is_true(json_object_get(page, "more"));
        if (!page || json_array_extend(all, json_object_get(page, rows->array)) < 0) {
            if (page || !placed)
                cli_error(cli, EXIT_REFUSED, "%s: the list ends after %zu rows: try again", method,
                          json_array_size(all));
            json_decref(answer);
            answer = NULL;
        }
    }
    json_decref(page);
    json_decref(params);
    if (answer)
        json_object_del(answer, "more"); /* it is whole */
    return answer;
}

/* ---- showing an answer ---- */

char *cli_json(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags);

    if (text)
        decimal_shorten(text);
    return text;
}

int cli_print_json(struct cli *cli, json_t *answer)
{
    char *text = cli_json(answer, JSON_INDENT(2));
    int status = EXIT_OK;

    json_decref(answer);
    if (!text)
        return cli_error(cli, EXIT_REFUSED, "no memory to print the answer");
    /* Flushed here: at the program's end nobody would know that it failed. */
    print_json(stdout, text);
    if ((putchar('\n') < 0 || fflush(stdout) < 0 || ferror(stdout)) && errno != EPIPE)
        status = cli_error(cli, EXIT_INPUT, "cannot write the answer: %s", strerror(errno));
    free(text);
    return status;
}

int cli_show(struct cli *cli, json_t *answer, answer_print *print)
{
    if (!answer)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    print(answer, cli);
    json_decref(answer);
    return EXIT_OK;
}

/* ---- parameters and answers ---- */

bool params_have(const struct cli *cli, const char *key)
{
    return json_object_get(cli->params, key);
}

void params_set_u64(json_t *params, const char *key, uint64_t value)
{
    json_object_set_new(params, key, json_integer((json_int_t)value));
}

uint64_t field_u64(const json_t *object, const char *key)
{
    return value_u64(json_object_get(object, key));
}

double field_f64(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

uint64_t value_u64(const json_t *value)
{
    const char *digits = json_string_value(value);

    return digits ? strtoull(digits, NULL, 10) : (uint64_t)json_integer_value(value);
}

const char *field_count(const json_t *object, const char *key)
{
    return text_count(field_u64(object, key));
}

const char *field_items(const json_t *object, const char *key, const char *noun)
{
    return text_items(field_u64(object, key), noun);
}

const char *field_place(const json_t *object)
{
    return text_of("epoch %" PRIu64 " step %" PRIu64, field_u64(object, "epoch"),
                   field_u64(object, "step"));
}

const char *field_dataset(const json_t *object)
{
    return text_of("%s, version %" PRIu64, field_text(object, "dataset"),
                   field_u64(object, "version"));
}
