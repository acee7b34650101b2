/*
 * labels_print FILE [column=...] [quote=double|none] [delimiter=C]: the classes of a file as
 * `evendraw load` numbers them, one a line, an empty line, then each sample's number, or -1. For
 * oracle_labels.py.
 */
#include <stdio.h>
#include <string.h>
#include "client/cli/load.h"

/* A sample's class, by the labels of the first pass. */
static bool print_number(void *arg, const char *text, size_t len)
{
    struct load *load = arg;
    const struct label *label = len > 0 ? labels_find(&load->labels, text, len) : NULL;

    if (label && label->number != LABELS_EXCLUDED)
        printf("%u\n", label->number);
    else
        puts("-1");
    return true;
}

static void take_option(struct source *source, const char *option)
{
    if (strncmp(option, "column=", 7) == 0)
        source->column = option + 7;
    else if (strcmp(option, "quote=none") == 0)
        source->quote = QUOTE_NONE;
    else if (strcmp(option, "quote=double") == 0)
        source->quote = QUOTE_DOUBLE;
    else if (strncmp(option, "delimiter=", 10) == 0)
        source->delimiter = option[10];
}

int main(int argc, char **argv)
{
    struct cli cli = {.json = false};
    struct load_args args = {.cli = &cli, .source = {.cli = &cli, .doing = "reading"}};
    struct load load = {.args = &args, .source = &args.source};
    bool ok;

    args.source.path = argc > 1 ? argv[1] : "-";
    for (int i = 2; i < argc; i++)
        take_option(&args.source, argv[i]);
    if (!source_open(&args.source))
        return cli.status;
    labels_init(&load.labels);
    ok = load_classes(&load);
    for (uint32_t c = 0; ok && c < load.labels.class_count; c++)
        puts(load.labels.classes[c]);
    puts("");
    ok = ok && source_read(&args.source, print_number, &load);
    labels_fini(&load.labels);
    source_close(&args.source);
    return ok ? 0 : cli.status;
}
