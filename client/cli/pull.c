/* `evendraw pull`: a worker for shell pipelines. */
#include <inttypes.h>
#include "batches.h"
#include "words.h"

#define DEFAULT_WINDOW 8

struct args {
    struct cli *cli;
    evd_stream_options stream;
    uint64_t steps, epochs; /* 0: no limit */
    bool has_epochs;
    struct batch_format format;
};

static const struct argp_option options[] = {
    {"rank", 'r', "R", 0, "Attach to a ranked job as this rank", 0},
    {"world-size", 'W', "W", 0, "Of how many ranks (default: as the job has it)", 0},
    {"steps", 'n', "N", 0, "Stop after N batches", 0},
    {"epochs", 'e', "N", 0, "Stop after the end of N epochs (default: 1; 0: never)", 0},
    {"window", 'w', "N", 0, "Batches under way at most (default: 8)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        batch_parse_init(state, &args->format);
        return 0;
    case 'r':
        args->stream.rank = (int)cli_number(state, "--rank", arg, 0, INT32_MAX);
        return 0;
    case 'W':
        args->stream.world_size = (uint32_t)cli_number(state, "--world-size", arg, 1, UINT32_MAX);
        return 0;
    case 'n':
        args->steps = cli_number(state, "--steps", arg, 1, UINT64_MAX);
        return 0;
    case 'e':
        args->epochs = cli_number(state, "--epochs", arg, 0, UINT64_MAX);
        args->has_epochs = true;
        return 0;
    case 'w':
        args->stream.window = (uint32_t)cli_number(state, "--window", arg, 1, 256);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->stream.job, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        cli_no_job(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/*
 * A batch is written out before it is acknowledged: what nobody could read goes to another worker.
 * It is acknowledged when the next one is here, or else, if none comes for a moment, by a request
 * that waits until the daemon has stored that. So the end of an epoch, which comes when everything
 * is acknowledged, is never met with anything unconfirmed, and within the epoch nobody waits for
 * the disk.
 */
#define PATIENCE_MS 50

struct puller {
    struct cli *cli;
    const struct args *args;
    evd_stream *stream;
    bool waiting; /* the batch below is written and not acknowledged */
    uint64_t epoch, step;
    uint32_t revision; /* the highest so far: a redelivered batch may have an older one */
    uint64_t steps, epochs;
};

static int acknowledge(struct puller *puller, unsigned flags)
{
    int code = EVD_OK;

    if (puller->waiting)
        code = evd_ack(puller->stream, puller->epoch, puller->step, flags);
    puller->waiting = false;
    /* No longer ours, after a pause: somebody will do that step again, and we go on. Or the daemon
     * cannot store it now: it tries again, and hands nothing out until it can. */
    if (code == EVD_E_CONFLICT || code == EVD_E_BAD_VALUE || code == EVD_E_STORE) {
        if (code != EVD_E_STORE)
            fputs("evendraw: not acknowledged, so that it may come again: ", stderr);
        else
            fputs("evendraw: waiting: ", stderr);
        words_print(stderr, evd_error_message(puller->cli->client));
        fputc('\n', stderr);
        code = EVD_OK;
    }
    return code == EVD_OK ? EXIT_OK : cli_failed(puller->cli, code);
}

/* Says where another strategy begins: of several workers, each would otherwise say where its own
 * batches of it begin. A change that was made while the connection was lost was not announced. */
static void tell_revision(const struct puller *puller, const evd_batch *batch)
{
    const evd_stream_info *info = evd_stream_get_info(puller->stream);
    bool known = info->announced_revision == batch->revision;

    fprintf(stderr,
            "evendraw: strategy revision %" PRIu32 "%s epoch %" PRIu64 " step %" PRIu64 "\n",
            batch->revision,
            known ? " from" : ", first batch here:", known ? info->announced_epoch : batch->epoch,
            known ? info->announced_step : batch->step);
}

/* *done: nothing more is wanted. */
static int take(struct puller *puller, const evd_batch *batch, bool *done)
{
    int status = acknowledge(puller, 0);

    if (status != EXIT_OK)
        return status;
    if (puller->steps > 0 && batch->revision > puller->revision)
        tell_revision(puller, batch);
    puller->revision = batch->revision > puller->revision ? batch->revision : puller->revision;
    status = batch_write(puller->cli, &puller->args->format, batch, done);
    if (status != EXIT_OK || *done)
        return status;
    puller->waiting = true;
    puller->epoch = batch->epoch;
    puller->step = batch->step;
    *done = ++puller->steps == puller->args->steps;
    return *done ? acknowledge(puller, EVD_ACK_CONFIRM) : EXIT_OK;
}

static int pull(struct puller *puller)
{
    /* With a window of one nothing comes before the acknowledgement. */
    int patience = evd_stream_get_info(puller->stream)->window > 1 ? PATIENCE_MS : 0;
    int status = EXIT_OK;
    bool done = false;

    while (status == EXIT_OK && !done) {
        const evd_batch *batch;
        int code = evd_next(puller->stream, puller->waiting ? patience : EVD_NO_TIME_LIMIT, &batch);

        if (code == EVD_OK) {
            status = take(puller, batch, &done);
        } else if (code == EVD_E_TIMEOUT || code == EVD_EPOCH_END) {
            status = acknowledge(puller, EVD_ACK_CONFIRM);
            done = code == EVD_EPOCH_END && ++puller->epochs == puller->args->epochs;
        } else {
            status = cli_failed(puller->cli, code);
        }
    }
    return status;
}

int command_pull(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB",
        .doc = "Be a worker of a job: take its batches, write them to standard output, acknowledge "
               "them once written.\v" BATCH_FORMATS
               " When the strategy changes, a line on standard error "
               "says from which step on.",
        .children = batch_children};
    struct args args = {.cli = cli, .stream = EVD_STREAM_OPTIONS_INIT};
    struct puller puller = {.cli = cli, .args = &args};
    int code, status;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    args.stream.flags = EVD_STREAM_MANUAL_ACK;
    args.stream.columns = args.format.columns;
    if (!args.has_epochs && args.steps == 0)
        args.epochs = 1;
    /* Others should not have to wait for batches that this worker will not take. */
    if (args.stream.window == 0 && args.steps > 0 && args.steps < DEFAULT_WINDOW)
        args.stream.window = (uint32_t)args.steps;
    if (!cli_connect(cli))
        return cli->status;
    code = evd_stream_open(cli->client, &args.stream, &puller.stream);
    if (code != EVD_OK)
        return cli_failed(cli, code);
    status = pull(&puller);
    evd_stream_close(puller.stream);
    return status;
}
