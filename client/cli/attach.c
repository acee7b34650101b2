/* What commands attach to a dataset (attach.h). Called by neighbours.c, select*.c and folds*.c. */
#include "attach.h"

#include <inttypes.h>
#include <stdlib.h>
#include "print.h"

/* ---- the dataset ---- */

bool attached_find(struct attached *to, struct cli *cli)
{
    json_t *params = cli->params, *asked = json_object(), *info;

    to->cli = cli;
    json_object_set(asked, "dataset", json_object_get(params, "dataset"));
    to->chosen = params_have(cli, "version");
    if (to->chosen)
        json_object_set(asked, "version", json_object_get(params, "version"));
    info = cli_call(cli, "dataset.info", asked);
    if (!info)
        return false;
    to->version = (uint32_t)field_u64(info, "version");
    to->samples = field_u64(info, "samples");
    to->classes = (uint32_t)field_u64(info, "classes");
    params_set_u64(params, "version", to->version);
    json_decref(info);
    return true;
}

bool attached_fits(struct attached *to, const char *path, uint64_t rows)
{
    if (to->samples == rows)
        return true;
    cli_error(to->cli, EXIT_INPUT,
              "%s: holds %s, and %s has %s: a row is needed for each, those without a label too "
              "(--dataset-version names an older version)",
              path, text_items(rows, "row"), field_dataset(to->cli->params),
              text_items(to->samples, "sample"));
    return false;
}

bool attached_labels(struct attached *to)
{
    int code;

    to->labels = calloc(to->samples, sizeof(*to->labels));
    if (!to->labels) {
        cli_error(to->cli, EXIT_INPUT, "no memory for the labels of %" PRIu64 " samples",
                  to->samples);
        return false;
    }
    code = evd_dataset_labels(to->cli->client, field_text(to->cli->params, "dataset"), to->version,
                              0, to->labels, to->samples);
    if (code != EVD_OK)
        cli_failed(to->cli, code);
    return code == EVD_OK;
}

/* The only one of its row, or that of the class. */
static double own(const struct features *file, uint64_t row, uint32_t label)
{
    uint64_t at = row * file->shape.d + (file->shape.d > 1 ? label : 0);

    return file->shape.size == sizeof(float) ? (double)((const float *)file->values)[at]
                                             : ((const double *)file->values)[at];
}

double *attached_own(struct attached *to, const struct features *file, const char *path)
{
    double *found;

    if (file->shape.d > 1 && file->shape.d != to->classes) {
        cli_error(to->cli, EXIT_INPUT,
                  "%s: has %" PRIu64
                  " columns, and there are %s: give one for each class, in their "
                  "order, or that of the sample's own class alone",
                  path, file->shape.d, text_items(to->classes, "class"));
        return NULL;
    }
    found = calloc(to->samples, sizeof(*found));
    if (!found)
        cli_error(to->cli, EXIT_INPUT, "no memory for the probabilities of %" PRIu64 " samples",
                  to->samples);
    for (uint64_t row = 0; found && row < to->samples; row++) {
        if (to->labels[row] < to->classes)
            found[row] = own(file, row, to->labels[row]);
    }
    return found;
}

void attached_fini(struct attached *to)
{
    free(to->labels);
}

static json_t *ask_classes(const struct attached *to)
{
    return json_pack("{s:O, s:I}", "dataset", json_object_get(to->cli->params, "dataset"),
                     "version", (json_int_t)to->version);
}

json_t *attached_class(struct attached *to, uint32_t label)
{
    json_t *asked = ask_classes(to);

    params_set_u64(asked, "first", label);
    return cli_call(to->cli, "dataset.stats", asked);
}

json_t *attached_classes(struct attached *to)
{
    static const char *const arrays[] = {"class", "count", NULL};

    return cli_call_pages(to->cli, "dataset.stats", ask_classes(to), arrays);
}

/* ---- what is attached ---- */

static json_t *no_memory(struct attached *to)
{
    cli_error(to->cli, EXIT_INPUT, "no memory for what is to be attached");
    return NULL;
}

/* *there: what is there already, or NULL. False after a message: something else has the name. */
static bool find(struct attached *to, const json_t *params, const char *text, json_t **there)
{
    const char *name = field_text(params, "name");
    char *info = NULL;
    int code = evd_attachment_find(to->cli->client, text, &info);

    *there = info ? cli_read(to->cli, info) : NULL;
    evd_free(info);
    if (code == EVD_E_EXISTS)
        cli_error(to->cli, EXIT_REFUSED,
                  "%s has another attachment '%s' already, which differs in %s: give this one "
                  "another --name, or remove that one by `evendraw dataset detach %s %s%s`",
                  field_dataset(params), name, evd_error_detail(to->cli->client),
                  text_word(field_text(params, "dataset")), text_word(name),
                  to->chosen ? text_of(" --dataset-version %u", to->version) : "");
    else if (code != EVD_OK)
        cli_failed(to->cli, code);
    return code == EVD_OK;
}

static json_t *send(struct attached *to, const char *text, const struct attached_rows *rows)
{
    evd_attachment *attachment = NULL;
    char *info = NULL;
    json_t *answer = NULL;
    int code = evd_attachment_begin(to->cli->client, text, &attachment);

    if (code == EVD_OK) {
        code = evd_attachment_append(attachment, rows->rows, rows->bytes, rows->distances,
                                     to->samples);
        if (code == EVD_OK)
            code = evd_attachment_commit(attachment, &info);
        else
            evd_attachment_abort(attachment);
    }
    if (code != EVD_OK)
        cli_failed(to->cli, code);
    else if (!(answer = cli_read(to->cli, info)))
        no_memory(to);
    evd_free(info);
    return answer;
}

/* What was computed; unless somebody else has attached it meanwhile. It may have taken long: asking
 * once more connects again where the daemon was restarted. */
static json_t *send_new(struct attached *to, const json_t *params, const struct attached_rows *rows)
{
    char *text = json_dumps(params, JSON_COMPACT);
    json_t *there = NULL;

    if (!text)
        return no_memory(to);
    if (find(to, params, text, &there) && !there)
        there = send(to, text, rows);
    free(text);
    return there;
}

json_t *attach(struct attached *to, json_t *params, attached_compute *compute, void *arg,
               bool *computed)
{
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    struct attached_rows rows = {0};
    json_t *there = NULL;

    *computed = false;
    if (!text)
        cli_not_utf8(to->cli);
    else if (find(to, params, text, &there) && !there && compute(arg, params, &rows)) {
        *computed = true;
        there = send_new(to, params, &rows);
    }
    json_decref(params);
    free(text);
    return there;
}
