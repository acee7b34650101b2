/* What `stats` prints: the class distribution of a dataset as bars. */
#include "classes.h"
#include "commands.h"

/* Columns of the terminal for each part of a line; the longest bar's share. */
struct bars {
    int name, count, share;
    double longest;
};

static int max(int a, int b)
{
    return a > b ? a : b;
}

static void print_bars(const json_t *stats, const struct shown *shown, const struct bars *layout)
{
    int room = terminal_width(stdout) - layout->name - layout->count - layout->share - 8;

    for (size_t i = 0; i < shown->n; i++) {
        double share = json_number_value(class_item(stats, "share", shown->class[i]));
        uint64_t count = class_u64(stats, "count", shown->class[i]);

        if (i == shown->gap)
            printf("  %s classes between; --all shows them\n", shown_between(shown));
        fputs("  ", stdout);
        print_padded(stdout, class_name(stats, shown->class[i]), layout->name);
        printf("  %*s  %*s", layout->count, text_count(count), layout->share, text_share(share, 1));
        if (room > 0 && share > 0) {
            fputs("  ", stdout);
            print_bar(share / layout->longest, room);
        }
        fputc('\n', stdout);
    }
}

static void print_distribution(const json_t *stats, bool all)
{
    struct bars layout = {.name = 4, .count = 1, .share = 7};
    int third = terminal_width(stdout) / 3;
    struct shown shown;

    if (shown_init(&shown, json_object_get(stats, "count"), all)) {
        for (size_t i = 0; i < shown.n; i++) {
            size_t c = shown.class[i];
            uint64_t count = class_u64(stats, "count", c);
            double share = json_number_value(class_item(stats, "share", c));
            layout.name = max(layout.name, text_width(class_name(stats, c)));
            layout.count = max(layout.count, text_width(text_count(count)));
            layout.share = max(layout.share, text_width(text_share(share, 1)));
            layout.longest = share > layout.longest ? share : layout.longest;
        }
        layout.name = layout.name > third ? third : layout.name;
        print_bars(stats, &shown, &layout);
    }
    shown_fini(&shown);
}

static void print_summary(const json_t *stats)
{
    printf("%s: %s, %s\n", field_dataset(stats), field_items(stats, "samples", "sample"),
           field_items(stats, "classes", "class"));
    if (field_u64(stats, "unlabelled") > 0)
        printf("  %s labelled, %s without a label (never drawn)\n", field_count(stats, "labelled"),
               field_count(stats, "unlabelled"));
    if (field_u64(stats, "empty_classes") > 0)
        printf("  %s without samples\n", field_items(stats, "empty_classes", "class"));
    printf("  imbalance ratio %.1f, entropy %.2f bits, balance %.2f (1 is balanced)\n\n",
           field_f64(stats, "imbalance_ratio"), field_f64(stats, "entropy"),
           field_f64(stats, "balance"));
}

void print_dataset_stats(const json_t *stats, const struct cli *cli)
{
    print_summary(stats);
    print_distribution(stats, cli->all_classes);
}
