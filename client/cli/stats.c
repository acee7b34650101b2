/* `evendraw stats`: the class distribution of a dataset as bars. */
#include "cli.h"

#include <stdlib.h>

/* With more classes than this only the largest and smallest HEAD are drawn, unless --all. */
#define MANY 40
#define HEAD 12

struct args {
    struct cli *cli;
    const char *name;
    uint64_t version; /* 0: the newest */
    bool all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'v':
        args->version = cli_number(state, "--dataset-version", arg, 1, UINT32_MAX);
        return 0;
    case 'a':
        args->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a dataset (`evendraw datasets` lists them)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct bar {
    const char *name;
    uint64_t count;
    double share;
    size_t order; /* class number */
};

static int by_count(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static struct bar *read_bars(const json_t *stats, size_t *count)
{
    const json_t *names = json_object_get(stats, "class");
    const json_t *counts = json_object_get(stats, "count");
    const json_t *shares = json_object_get(stats, "share");
    struct bar *bars;

    *count = json_array_size(names);
    bars = calloc(*count + 1, sizeof(*bars));
    for (size_t i = 0; bars != NULL && i < *count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        bars[i] = (struct bar){.name = name ? name : "",
                               .count = (uint64_t)json_integer_value(json_array_get(counts, i)),
                               .share = json_number_value(json_array_get(shares, i)),
                               .order = i};
    }
    return bars;
}

static void print_bars(const struct bar *bars, size_t count, int name_width, int count_width,
                       double longest)
{
    int room = terminal_width() - name_width - count_width - 14;

    for (size_t i = 0; i < count; i++) {
        text_t text;

        fputs("  ", stdout);
        print_padded(stdout, bars[i].name, name_width);
        printf("  %*s  %5.1f %%  ", count_width, text_count(text, bars[i].count),
               bars[i].share * 100);
        if (longest > 0 && room > 0)
            print_bar(bars[i].share / longest, room);
        fputc('\n', stdout);
    }
}

static void print_distribution(struct bar *bars, size_t count, bool all)
{
    int name_width = 4, count_width = 1, third = terminal_width() / 3;
    double longest = 0;
    text_t text;

    for (size_t i = 0; i < count; i++) {
        int width = text_width(bars[i].name), digits = text_width(text_count(text, bars[i].count));
        name_width = width > name_width ? width : name_width;
        count_width = digits > count_width ? digits : count_width;
        longest = bars[i].share > longest ? bars[i].share : longest;
    }
    name_width = name_width > third ? third : name_width;
    if (all || count <= MANY) {
        print_bars(bars, count, name_width, count_width, longest);
        return;
    }
    qsort(bars, count, sizeof(*bars), by_count);
    print_bars(bars, HEAD, name_width, count_width, longest);
    printf("  ... %s classes between; --all shows them\n", text_count(text, count - 2 * HEAD));
    print_bars(bars + count - HEAD, HEAD, name_width, count_width, longest);
}

static void print_summary(const json_t *stats)
{
    text_t samples, classes, unlabelled, empty;

    printf("%s, version %u: %s samples, %s classes\n", field_text(stats, "dataset"),
           (unsigned)field_u64(stats, "version"), text_count(samples, field_u64(stats, "samples")),
           text_count(classes, field_u64(stats, "classes")));
    if (field_u64(stats, "unlabelled") > 0)
        printf("  %s labelled, %s without a label (never drawn)\n",
               text_count(samples, field_u64(stats, "labelled")),
               text_count(unlabelled, field_u64(stats, "unlabelled")));
    if (field_u64(stats, "empty_classes") > 0)
        printf("  %s classes without samples\n",
               text_count(empty, field_u64(stats, "empty_classes")));
    printf("  imbalance ratio %.1f, entropy %.2f bits, balance %.2f (1 is balanced)\n\n",
           field_f64(stats, "imbalance_ratio"), field_f64(stats, "entropy"),
           field_f64(stats, "balance"));
}

int command_stats(struct cli *cli, int argc, char **argv)
{
    static const char *const arrays[] = {"class", "count", "share", NULL};
    static const struct argp_option options[] = {
        {"dataset-version", 'v', "N", 0, "Which version (default: the newest)", 0},
        {"all", 'a', NULL, 0, "Every class, in class order, however many there are", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME",
        .doc = "Draw the class distribution of a dataset, with counts and shares of the labelled "
               "samples, the imbalance ratio (largest class to smallest) and the entropy.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *params, *stats;
    struct bar *bars;
    size_t count;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s}", "dataset", args.name);
    if (args.version > 0)
        json_object_set_new(params, "version", json_integer((json_int_t)args.version));
    stats = pages_call(cli, "dataset.stats", params, arrays);
    if (stats == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, stats);
    bars = read_bars(stats, &count);
    print_summary(stats);
    if (bars != NULL)
        print_distribution(bars, count, args.all);
    free(bars);
    json_decref(stats);
    return EXIT_OK;
}
