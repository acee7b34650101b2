/* `evendraw pull`: a worker for shell pipelines. */
#include <assert.h>
#include <inttypes.h>
#include "batches.h"
#include "commands.h"
#include "words.h"

#define DEFAULT_WINDOW 8

#define NOT_SAID UINT64_MAX

struct args {
    struct output_format format;
    const char *job;
    uint64_t steps, epochs; /* 0: no limit */
};

const struct cli_option pull_options[] = {
    {ARGUMENT("JOB"), option_text, FIELD(struct args, job), .missing = JOB_IS_MISSING,
     .words = "@jobs"},
    {"rank", 'r', "R", "Attach to a ranked job as this rank", NUMBER(0, INT32_MAX),
     .param = "rank"},
    {"world-size", 'W', "W", "Of how many ranks (default: as the job has it)",
     NUMBER(1, UINT32_MAX), .param = "world_size"},
    {"steps", 'n', "N", "Stop after N batches", NUMBER(1, UINT64_MAX), FIELD(struct args, steps)},
    {"epochs", 'e', "N", "Stop after the end of N epochs (default: 1; 0: never)",
     NUMBER(0, UINT64_MAX), FIELD(struct args, epochs)},
    {"window", 'w', "N", "Batches under way at most (default: 8)", NUMBER(1, 256),
     .param = "window"},
    {0},
};

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
static int write_out(struct puller *puller, const evd_batch *batch, bool *done)
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
    assert(!puller->waiting);
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
            status = write_out(puller, batch, &done);
        } else if (code == EVD_E_TIMEOUT || code == EVD_EPOCH_END) {
            status = acknowledge(puller, EVD_ACK_CONFIRM);
            done = code == EVD_EPOCH_END && ++puller->epochs == puller->args->epochs;
        } else {
            status = cli_failed(puller->cli, code);
        }
    }
    return status;
}

int run_pull(struct cli *cli, int argc, char **argv)
{
    struct args args = {.epochs = NOT_SAID};
    struct puller puller = {.cli = cli, .args = &args};
    evd_stream_options stream = EVD_STREAM_OPTIONS_INIT;
    int code, status;

    options_parse(cli, argc, argv, &args);
    if (args.epochs == NOT_SAID)
        args.epochs = args.steps == 0 ? 1 : 0;
    stream.job = args.job;
    if (params_have(cli, "rank"))
        stream.rank = (int)field_u64(cli->params, "rank");
    stream.world_size = (uint32_t)field_u64(cli->params, "world_size");
    stream.window = (uint32_t)field_u64(cli->params, "window");
    /* Others should not have to wait for batches that this worker will not take. */
    if (stream.window == 0 && args.steps > 0 && args.steps < DEFAULT_WINDOW)
        stream.window = (uint32_t)args.steps;
    stream.columns = args.format.columns;
    stream.flags = EVD_STREAM_MANUAL_ACK;
    if (!cli_connect(cli))
        return cli->status;
    code = evd_stream_open(cli->client, &stream, &puller.stream);
    if (code != EVD_OK)
        return cli_failed(cli, code);
    status = pull(&puller);
    evd_stream_close(puller.stream);
    return status;
}
