/*
 * The daemon's options and exit codes. All else is the host's.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host/heap.h"
#include "host/host.h"
#include "host/log.h"
#include "host/offline.h"
#include "paths.h"
#include "proto/address.h"

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_INPUT = 4 };
enum {
    OPTION_LIMIT = 256,
    OPTION_MEMORY_LIMIT,
    OPTION_READY_FD,
    OPTION_TRACE,
    OPTION_BACKUP_DIR,
    OPTION_VERIFY,
    OPTION_REPAIR,
    OPTION_JSON
};

struct arguments {
    struct host_config host;
    bool verify, repair;
    const char *output; /* of a repair; NULL: beside the database */
    bool json;
};

#define LOG_END_MS     1000u /* how long its last lines may take */
#define DEFAULT_MEMORY 75u   /* percent of what the machine has */

static const char doc[] =
    "Serves class-balanced batches of sample indices to data-loader workers."
    "\v"
    "ADDRESS is unix:/PATH, tcp:HOST:PORT or tcp:[V6]:PORT. Without --listen it is the Unix socket "
    "where the evendraw command looks by default. Unix sockets have mode 0660: their owner and "
    "group "
    "may connect. TCP has NO AUTHENTICATION in this version: whoever reaches the port can use and "
    "change everything, so listen on loopback, or where a firewall or tunnel guards the port.\n"
    "\n"
    "Examples:\n"
    "  evendrawd\n"
    "  evendrawd --listen unix:/run/evendraw/evendraw.sock --database "
    "/var/lib/evendraw/evendraw.db\n"
    "  evendrawd -v --listen tcp:127.0.0.1:4710 --listen unix:/tmp/evd.sock\n"
    "\n"
    "The log, on standard error, never holds the daemon up: lines that nobody takes are dropped "
    "and "
    "counted.\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop the daemon once everything is stored and sent; a second one "
    "exits at once. SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM and the like are ignored.\n"
    "Exit status: 0 after a signal, 1 if the daemon could not start (or was told twice to stop), "
    "2 if it was called wrongly. With --verify: 0 if the database is sound, 1 if it is damaged; "
    "with --repair: 0 if there is nothing to repair or the new file is there; with both 4 if the "
    "file "
    "cannot be read, is in use, or is none of evendraw's, or the new one or what was found cannot "
    "be written.";

static const struct argp_option options[] = {
    {"listen", 'l', "ADDRESS", 0, "Listen there (may be given up to 16 times)", 0},
    {"database", 'd', "FILE", 0,
     "Keep datasets and jobs in FILE, also written sqlite:FILE (default "
     "$XDG_STATE_HOME/evendraw/evendraw.db, or ~/.local/state/evendraw/evendraw.db)",
     0},
    {"backup-dir", OPTION_BACKUP_DIR, "DIR", 0,
     "Let everybody who may connect have the database copied to a new file in DIR, an absolute "
     "path, "
     "by name (without it only processes of the daemon's own user may ask for backups, by a Unix "
     "socket, and name any file)",
     0},
    {"limit", OPTION_LIMIT, "NAME=N", 0,
     "Set a limit, as often as wanted; the names are below, server.info reports all", 0},
    {"memory-limit", OPTION_MEMORY_LIMIT, "BYTES|N%", 0,
     "Let datasets, the tables of jobs and what is reported to them take at most so much memory "
     "together, in bytes or in "
     "percent of what the machine has (default 75%); what needs more is refused, but what is "
     "stored already is loaded in any case",
     0},
    {"verbose", 'v', NULL, 0, "Log connections and requests", 0},
    {"trace", OPTION_TRACE, "JOB", OPTION_ARG_OPTIONAL,
     "Show every turn that requests and jobs take, or only those of JOB, on standard error", 0},
    {"ready-fd", OPTION_READY_FD, "FD", 0,
     "Write the line \"ready\" to this open file descriptor once the daemon listens, then close it",
     0},
    {NULL, 0, NULL, 0, "Instead of serving (evendraw verify and evendraw repair run these):", 1},
    {"verify", OPTION_VERIFY, NULL, 0,
     "Look through the database, which no daemon may have open, for damage; nothing is changed", 1},
    {"repair", OPTION_REPAIR, "NEW", OPTION_ARG_OPTIONAL,
     "Make the file NEW (default: that of --database with .repaired behind it) of what is sound in "
     "the database, which stays as it is",
     1},
    {"json", OPTION_JSON, NULL, 0, "Print what --verify or --repair find as one JSON object", 1},
    {0},
};

/* A number from min to max, or a usage error. */
static long parse_number(struct argp_state *state, const char *option, const char *text, long min,
                         long max)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
        argp_error(state, "%s: \"%s\" is not a number from %ld to %ld", option, text, min, max);
    return value;
}

struct limit {
    const char *name, *meaning;
    long normal, least, most;
    size_t offset; /* in struct server_limits */
};

#define LIMIT(name, normal, least, most, meaning)                                                  \
    {#name, meaning, normal, least, most, offsetof(struct server_limits, name)},
static const struct limit limits[] = {SERVER_LIMITS(LIMIT)};

/* "streams=16" */
static void set_limit(struct argp_state *state, struct server_limits *out, const char *text)
{
    size_t len = strcspn(text, "=");

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct limit *limit = &limits[i];

        if (strncmp(limit->name, text, len) != 0 || limit->name[len] != '\0')
            continue;
        *(uint64_t *)((char *)out + limit->offset) = (uint64_t)parse_number(
            state, limit->name, text[len] ? text + len + 1 : "", limit->least, limit->most);
        return;
    }
    argp_error(state, "--limit: there is no limit \"%.*s\"", (int)len, text);
}

/* The limits, for --help. */
static char *help_filter(int key, const char *text, void *input)
{
    char *out = NULL;
    size_t size;
    FILE *file;

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC || !(file = open_memstream(&out, &size)))
        return (char *)text;
    fputs("Limits (--limit NAME=N), with their defaults, least and most values:\n", file);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        fprintf(file, "  %s=%ld (%ld to %ld): %s\n", limits[i].name, limits[i].normal,
                limits[i].least, limits[i].most, limits[i].meaning);
    fprintf(file, "\n%s", text);
    fclose(file);
    return out;
}

static uint64_t memory_share(unsigned percent)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), bytes = (uint64_t)sysconf(_SC_PAGESIZE);

    return pages * bytes / 100 * percent;
}

/* Bytes, or a share of the machine's memory. */
static uint64_t parse_memory(struct argp_state *state, const char *text)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno == 0 && end != text && value > 0 && *end == '\0')
        return (uint64_t)value;
    if (errno != 0 || end == text || strcmp(end, "%") != 0 || value < 1 || value > 100)
        argp_error(state, "--memory-limit: \"%s\" is neither a number of bytes nor 1%% to 100%%",
                   text);
    return memory_share((unsigned)value);
}

static void add_address(struct argp_state *state, struct host_config *config, const char *text)
{
    struct address address;
    struct evd_error err;

    if (config->address_count == HOST_MAX_LISTEN)
        argp_error(state, "--listen can be given %u times at most", HOST_MAX_LISTEN);
    if (address_parse(text, &address, &err) != EVD_OK)
        argp_error(state, "--listen: %s", err.message);
    config->addresses[config->address_count++] = text;
}

/* As clients spell it: without a slash at its end. */
static const char *parse_folder(struct argp_state *state, char *text)
{
    size_t len = strlen(text);

    while (len > 1 && text[len - 1] == '/')
        text[--len] = '\0';
    if (len < 2 || text[0] != '/')
        argp_error(state, "--backup-dir: \"%s\" is not the absolute path of a folder for backups",
                   text);
    return text;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct host_config *config = &arguments->host;

    switch (key) {
    case OPTION_VERIFY:
        arguments->verify = true;
        return 0;
    case OPTION_REPAIR:
        arguments->repair = true;
        arguments->output = arg;
        return 0;
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_END:
        if (arguments->verify && arguments->repair)
            argp_error(state, "--verify and --repair: choose one");
        if (arguments->json && !arguments->verify && !arguments->repair)
            argp_error(state, "--json is for --verify and --repair");
        return 0;
    case 'l':
        add_address(state, config, arg);
        return 0;
    case 'd':
        config->database = arg;
        return 0;
    case 'v':
        config->verbose = true;
        return 0;
    case OPTION_BACKUP_DIR:
        config->backup_dir = parse_folder(state, arg);
        return 0;
    case OPTION_TRACE:
        config->trace = arg ? arg : "";
        return 0;
    case OPTION_LIMIT:
        set_limit(state, &config->limits, arg);
        return 0;
    case OPTION_MEMORY_LIMIT:
        config->limits.memory = parse_memory(state, arg);
        return 0;
    case OPTION_READY_FD:
        config->ready_fd = (int)parse_number(state, "--ready-fd", arg, 0, 1 << 20);
        /* Otherwise it could become the database's. */
        if (fcntl(config->ready_fd, F_GETFD) < 0)
            argp_error(state, "--ready-fd: the file descriptor %s is not open", arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is no option; the daemon takes options only", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Standard streams that were closed become /dev/null: else what is logged would go to whatever is
 * opened next, a socket or the loop's own pipe. */
static void open_standard_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* The database without a daemon. */
static int offline(const struct arguments *arguments)
{
    static const int status[] = {
        [OFFLINE_SOUND] = EXIT_SUCCESS,
        [OFFLINE_DAMAGED] = EXIT_RUNTIME,
        [OFFLINE_FAILED] = EXIT_INPUT,
    };
    struct offline_config config = {.database = arguments->host.database, .json = arguments->json};
    char database[4096], output[sizeof(database) + 16];
    enum offline_result result;
    struct evd_error err;

    if (!config.database && paths_database(database, sizeof(database), &err) == EVD_OK)
        config.database = database;
    if (arguments->repair && config.database) {
        const char *place = config.database;

        if (strncmp(place, "sqlite:", 7) == 0)
            place += 7;
        snprintf(output, sizeof(output), "%s.repaired", place);
        config.repaired = arguments->output ? arguments->output : output;
    }
    result = offline_run(&config, &err);
    if (result == OFFLINE_FAILED)
        log_line("evendrawd: %s", err.message);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_line("evendrawd: what was found could not be printed%s",
                 result == OFFLINE_DAMAGED && arguments->repair ? "; the new file is there" : "");
        return EXIT_INPUT;
    }
    return result == OFFLINE_DAMAGED && arguments->repair ? EXIT_SUCCESS : status[result];
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse_option, NULL, doc, NULL, help_filter, NULL};
    struct arguments arguments = {.host = {.limits = SERVER_LIMITS_NORMAL, .ready_fd = -1}};
    struct host_config *config = &arguments.host;
    char database[4096], address[256];
    struct evd_error err;
    int rc;

    heap_configure();
    open_standard_streams();
    config->limits.memory = memory_share(DEFAULT_MEMORY);
    /* Assigned, not defined: a definition would be hidden from the C library. */
    argp_program_version = "evendrawd " EVD_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.verify || arguments.repair)
        return offline(&arguments);
    rc = log_start(&err);
    if (rc == EVD_OK && config->address_count == 0) {
        rc = paths_address(address, sizeof(address), &err);
        config->addresses[config->address_count++] = address;
    }
    if (rc == EVD_OK && !config->database) {
        rc = paths_database(database, sizeof(database), &err);
        if (rc == EVD_OK)
            rc = paths_make_folders(database, &err);
        config->database = database;
    }
    if (rc == EVD_OK)
        rc = host_run(config, &err);
    if (rc != EVD_OK)
        log_line("evendrawd: %s", err.message);
    log_end(LOG_END_MS);
    return rc == EVD_OK ? EXIT_SUCCESS : EXIT_RUNTIME;
}
