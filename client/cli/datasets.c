/* What `datasets` and `dataset rm` print. */
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
