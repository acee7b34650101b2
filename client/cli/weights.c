/* `evendraw weights`: class weights for a loss, for a dataset or for what a job serves. */
#include <math.h>
#include <stdlib.h>
#include "classes.h"
#include "commands.h"

void parse_beta(const struct given *given)
{
    char *end;
    double beta = strtod(given->text, &end);

    if (end == given->text || *end != '\0' || !(beta >= 0 && beta < 1))
        argp_error(given->state, "--beta: '%s' is not a number from 0 to below 1", given->text);
    given_param(given, json_real(beta));
}

void parse_tau(const struct given *given)
{
    char *end;
    double tau = strtod(given->text, &end);

    if (end == given->text || *end != '\0' || !(tau > 0 && isfinite(tau)))
        argp_error(given->state, "--tau: '%s' is not a number over 0", given->text);
    given_param(given, json_real(tau));
}

void check_weights(struct argp_state *state, struct cli *cli, const void *fields)
{
    bool job = params_have(cli, "job");

    (void)fields;
    if (job == params_have(cli, "dataset"))
        argp_error(state, "name a dataset, or a job with --job");
    else if (job && params_have(cli, "version"))
        argp_error(state, "--dataset-version is for datasets: leave it out, a job knows its own");
    if (!params_have(cli, "weights"))
        json_object_set_new(cli->params, "weights", json_string("balanced"));
}

static void print_weights(const json_t *answer, const struct cli *cli)
{
    bool job = params_have(cli, "job");
    const struct column columns[] = {{"CLASS", NULL, LEFT, NULL},
                                     {"SAMPLES", "count", RIGHT, cell_count},
                                     {"SHARE", job ? "present" : "share", RIGHT, cell_share},
                                     {"WEIGHT", "weight", RIGHT, cell_number},
                                     {0}};

    printf("%s weights for %s%s%s\n\n", field_text(answer, "weights"), field_dataset(answer),
           job ? ", as drawn by job " : "", field_text(cli->params, "job"));
    print_classes(answer, columns, cli->all_classes);
}

int run_weights(struct cli *cli, int argc, char **argv)
{
    static const char *const of_dataset[] = {"class", "count", "share", "weight", NULL};
    static const char *const of_job[] = {"class", "count",  "present", "served",
                                         "share", "weight", NULL};
    json_t *answer;

    options_parse(cli, argc, argv, NULL);
    if (params_have(cli, "job"))
        answer = cli_call_pages(cli, "job.stats", json_copy(cli->params), of_job);
    else
        answer = cli_call_pages(cli, "dataset.stats", json_copy(cli->params), of_dataset);
    return cli_show(cli, answer, print_weights);
}
