/* What `datasets`, `dataset rm`, `dataset attachments` and `dataset detach` print. */
#include <string.h>
#include "commands.h"
#include "table.h"

void print_datasets(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"DATASET", "dataset", LEFT, cell_text},
                                            {"VERSION", "version", RIGHT, cell_count},
                                            {"SAMPLES", "samples", RIGHT, cell_count},
                                            {"LABELLED", "labelled", RIGHT, cell_count},
                                            {"CLASSES", "classes", RIGHT, cell_count},
                                            {"JOBS", "jobs", RIGHT, cell_count},
                                            {"MEMORY", "memory", RIGHT, cell_bytes},
                                            {"CREATED", "created", LEFT, cell_time},
                                            {0}};
    const json_t *list = json_object_get(answer, "datasets");

    (void)cli;
    print_rows(list, columns);
    if (json_array_size(list) == 0)
        fputs("no datasets yet: `evendraw load NAME FILE` makes one\n", stderr);
}

void print_removed_dataset(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("removed %s\n", field_dataset(answer));
}

/* "5 nearest of all, euclidean", "1,234 kept" or "10 folds"; of one that is damaged, that it is. */
static const char *cell_what(const json_t *row)
{
    static char text[256];
    const char *kind = field_text(row, "kind");

    if (json_object_get(row, "damage"))
        snprintf(text, sizeof(text), "DAMAGED");
    else if (strcmp(kind, "neighbours") == 0)
        snprintf(text, sizeof(text), "%u nearest of %s, %s", (unsigned)field_u64(row, "k"),
                 strcmp(field_text(row, "scope"), "class") == 0 ? "its class" : "all",
                 field_text(row, "metric"));
    else if (strcmp(kind, "selection") == 0)
        snprintf(text, sizeof(text), "%s kept", field_count(row, "kept"));
    else
        snprintf(text, sizeof(text), "%u folds", (unsigned)field_u64(row, "folds"));
    return text;
}

void print_attachments(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {
        {"ATTACHMENT", "name", LEFT, cell_text}, {"KIND", "kind", LEFT, cell_text},
        {"WHAT", NULL, LEFT, cell_what},         {"USES", "uses", RIGHT, cell_count},
        {"MEMORY", "memory", RIGHT, cell_bytes}, {"CREATED", "created", LEFT, cell_time},
        {"DIGEST", "digest", LEFT, cell_text},   {0}};
    const json_t *list = json_object_get(answer, "attachments");

    (void)cli;
    if (json_array_size(list) == 0)
        printf("nothing is attached to %s\n", field_dataset(answer));
    else
        print_rows(list, columns);
}

void print_detached(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("removed %s of %s\n", cell_text(json_object_get(answer, "name")), field_dataset(answer));
}
