/* What `job stats` prints: what a job asked for and what it served, class by class. */
#include <inttypes.h>
#include "classes.h"
#include "commands.h"

void print_job_stats(const json_t *stats, const struct cli *cli)
{
    static const struct column columns[] = {{"CLASS", NULL, LEFT, NULL},
                                            {"SAMPLES", "count", RIGHT, cell_count},
                                            {"ASKED", "asked", RIGHT, cell_share},
                                            {"SERVED", "share", RIGHT, cell_share},
                                            {"SAMPLES", "served", RIGHT, cell_count},
                                            {0}};
    const json_t *epoch;
    size_t i;

    printf("job %s on %s: %s steps served, %s samples", field_text(stats, "job"),
           field_dataset(stats), field_count(stats, "steps"), field_count(stats, "samples"));
    if (json_object_get(stats, "epoch"))
        printf(" in epoch %" PRIu64, field_u64(stats, "epoch"));
    fputc('\n', stdout);
    print_since(stats, "counted");
    fputc('\n', stdout);
    print_classes(stats, columns, cli->all_classes);
    fputc('\n', stdout);
    json_array_foreach(json_object_get(stats, "epochs"), i, epoch)
    {
        printf("  epoch %" PRIu64 ": %s steps, %s samples\n", field_u64(epoch, "epoch"),
               field_count(epoch, "steps"), field_count(epoch, "samples"));
    }
}
