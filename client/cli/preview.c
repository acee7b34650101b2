/* What `preview` prints: what a strategy would do. */
#include <stdlib.h>
#include <string.h>
#include "classes.h"
#include "commands.h"

static void print_summary(const json_t *answer)
{
    char *strategy = cli_json(json_object_get(answer, "strategy"), JSON_COMPACT);
    const json_t *column;
    size_t i;

    printf("%s, batches of %u, %s\n", field_dataset(answer),
           (unsigned)field_u64(answer, "batch_size"), strategy ? strategy : "");
    free(strategy);
    printf("  epoch %llu: %s, %s\n", (unsigned long long)field_u64(answer, "epoch"),
           field_items(answer, "steps", "step"), field_items(answer, "samples", "sample"));
    printf("  needs %s of memory, built in %.3g ms; columns: index",
           text_bytes(field_u64(answer, "memory")), field_f64(answer, "build_ms"));
    json_array_foreach(json_object_get(answer, "columns"), i, column)
    {
        if (json_is_string(column) && strcmp(json_string_value(column), "index") != 0)
            printf(", %s", json_string_value(column));
    }
    fputs("\n\n", stdout);
}

/* An expected number. */
static const char *cell_expected(const json_t *value)
{
    double number = json_number_value(value);

    if (number >= 1000)
        return text_count((uint64_t)(number + 0.5));
    return text_of("%.4g", number);
}

void print_preview(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"CLASS", NULL, LEFT, NULL},
                                            {"SAMPLES", "count", RIGHT, cell_count},
                                            {"DRAWN", "drawn", RIGHT, cell_expected},
                                            {"REPEATS", "repeats", RIGHT, cell_expected},
                                            {"COVERAGE", "coverage", RIGHT, cell_share1},
                                            {"PER BATCH", "per_batch", RIGHT, cell_expected},
                                            {0}};

    print_summary(answer);
    print_classes(answer, columns, cli->all_classes);
}
