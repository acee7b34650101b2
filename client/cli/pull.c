/* `evendraw pull`: a worker for shell pipelines. */
#include "cli.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_WINDOW 8

struct args {
    struct cli *cli;
    evd_stream_options stream;
    uint64_t steps, epochs; /* 0: no limit */
    bool raw, has_epochs;
};

static const struct argp_option options[] = {
    {"rank", 'r', "R", 0, "Attach to a ranked job as this rank", 0},
    {"world-size", 'W', "W", 0, "Of how many ranks (default: as the job has it)", 0},
    {"steps", 'n', "N", 0, "Stop after N batches", 0},
    {"epochs", 'e', "N", 0, "Stop after the end of N epochs (default: 1; 0: never)", 0},
    {"format", 'f', "FORMAT", 0, "json (default) or raw", 0},
    {"columns", 'c', "LIST", 0, "Beside the index: label, probability, repeat, augment_seed", 0},
    {"window", 'w', "N", 0, "Batches under way at most (default: 8)", 0},
    {0}};

static const struct {
    const char *name;
    uint32_t bit;
} columns[] = {{"label", EVD_COLUMN_LABEL},
               {"probability", EVD_COLUMN_PROBABILITY},
               {"repeat", EVD_COLUMN_REPEAT},
               {"augment_seed", EVD_COLUMN_AUGMENT_SEED}};

static uint32_t parse_columns(struct argp_state *state, char *list)
{
    uint32_t bits = 0;

    for (char *rest, *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        size_t i = 0, count = sizeof(columns) / sizeof(columns[0]);

        while (i < count && strcmp(columns[i].name, name) != 0)
            i++;
        if (i < count)
            bits |= columns[i].bit;
        else if (strcmp(name, "index") != 0)
            argp_error(state,
                       "--columns: no column '%s'; there are index (always), label, probability, "
                       "repeat, augment_seed",
                       name);
    }
    return bits;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
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
    case 'f':
        args->raw = strcmp(arg, "raw") == 0;
        if (!args->raw && strcmp(arg, "json") != 0)
            argp_error(state, "--format: '%s' is neither json nor raw", arg);
        return 0;
    case 'c':
        args->stream.columns = parse_columns(state, arg);
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

/* ---- writing ---- */

static void put_u64(uint64_t value)
{
    char digits[24], *at = digits + sizeof(digits);

    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    fwrite_unlocked(at, 1, (size_t)(digits + sizeof(digits) - at), stdout);
}

static void put_name(const char *name)
{
    fprintf(stdout, ",\"%s\":[", name);
}

#define PUT_COLUMN(batch, column, put)                                                             \
    do {                                                                                           \
        if ((batch)->column == NULL)                                                               \
            break;                                                                                 \
        put_name(#column);                                                                         \
        for (uint32_t put_i = 0; put_i < (batch)->n; put_i++) {                                    \
            if (put_i > 0)                                                                         \
                putc_unlocked(',', stdout);                                                        \
            put((batch)->column[put_i]);                                                           \
        }                                                                                          \
        putc_unlocked(']', stdout);                                                                \
    } while (0)

static void put_float(float value)
{
    printf("%.9g", (double)value);
}

static void write_json(const evd_batch *batch)
{
    printf("{\"epoch\":%" PRIu64 ",\"step\":%" PRIu64 ",\"revision\":%" PRIu32 "%s", batch->epoch,
           batch->step, batch->revision, batch->redelivered ? ",\"redelivered\":true" : "");
    PUT_COLUMN(batch, index, put_u64);
    PUT_COLUMN(batch, label, put_u64);
    PUT_COLUMN(batch, probability, put_float);
    PUT_COLUMN(batch, repeat, put_u64);
    PUT_COLUMN(batch, augment_seed, put_u64);
    fputs("}\n", stdout);
}

static void write_u32(uint32_t value)
{
    value = htole32(value);
    fwrite_unlocked(&value, sizeof(value), 1, stdout);
}

static void write_u64(uint64_t value)
{
    value = htole64(value);
    fwrite_unlocked(&value, sizeof(value), 1, stdout);
}

/* One record a sample: the index as u64, then the columns in the order of evendraw.h. */
static void write_raw(const evd_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        write_u64(batch->index[i]);
        if (batch->label)
            write_u32(batch->label[i]);
        if (batch->probability) {
            uint32_t bits;
            memcpy(&bits, &batch->probability[i], sizeof(bits));
            write_u32(bits);
        }
        if (batch->repeat)
            write_u32(batch->repeat[i]);
        if (batch->augment_seed)
            write_u64(batch->augment_seed[i]);
    }
}

/* ---- pulling ---- */

/* A batch is flushed before it is acknowledged: what nobody could read goes to another worker. */
static int write_batch(struct cli *cli, const struct args *args, const evd_batch *batch, bool *gone)
{
    if (args->raw)
        write_raw(batch);
    else
        write_json(batch);
    if (fflush(stdout) == 0)
        return EXIT_OK;
    *gone = errno == EPIPE; /* the reader has enough: no error */
    return *gone ? EXIT_OK : cli_error(cli, EXIT_INPUT, "cannot write: %s", strerror(errno));
}

/*
 * A written batch is acknowledged when the next one is here, or else, if none comes for a moment,
 * by a request that waits until the daemon has stored that. So the end of an epoch, which comes
 * when everything is acknowledged, is never met with anything unconfirmed, and within the epoch
 * nobody waits for the disk.
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
    /* No longer ours, after a pause: somebody will do that step again, and we go on. */
    if (code == EVD_E_CONFLICT || code == EVD_E_BAD_VALUE) {
        fprintf(stderr, "evendraw: not acknowledged, so that it may come again: %s\n",
                evd_error_message(puller->cli->client));
        code = EVD_OK;
    }
    return code == EVD_OK ? EXIT_OK : cli_failed(puller->cli, code);
}

/* *done: nothing more is wanted. */
static int take(struct puller *puller, const evd_batch *batch, bool *done)
{
    int status = acknowledge(puller, 0);

    if (status != EXIT_OK)
        return status;
    if (puller->steps > 0 && batch->revision > puller->revision)
        fprintf(stderr,
                "evendraw: strategy revision %" PRIu32 " from epoch %" PRIu64 " step %" PRIu64 "\n",
                batch->revision, batch->epoch, batch->step);
    puller->revision = batch->revision > puller->revision ? batch->revision : puller->revision;
    status = write_batch(puller->cli, puller->args, batch, done);
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
               "them once written.\v"
               "json: one object a line, {\"epoch\", \"step\", \"revision\", \"index\": [...], "
               "...}. raw: for every sample its index as a 64-bit integer and then the columns "
               "asked for (label, probability, repeat: 32 bits, augment_seed: 64), all "
               "little-endian, in this order. When the strategy changes, a line on standard error "
               "says from which step on.",
        .children = cli_children};
    struct args args = {.cli = cli, .stream = EVD_STREAM_OPTIONS_INIT};
    struct puller puller = {.cli = cli, .args = &args};
    int code, status;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    args.stream.flags = EVD_STREAM_MANUAL_ACK;
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
