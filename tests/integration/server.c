#define _GNU_SOURCE /* nftw */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Ends the process: cmocka reports nothing more, but ctest does, and a forked worker has no cmocka.
 */
static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "integration: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static void wait_until_it_answers(struct server *server)
{
    static const struct timespec pause = {.tv_nsec = 5000000};
    evd_client *client;

    for (int i = 0; i < 12000; i++) { /* long: it may load much, under a sanitizer, beside others */
        int status;
        int code = evd_connect(server->address, NULL, &client);
        evd_close(client);
        if (code == EVD_OK)
            return;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid)
            die("evendrawd ended with status %d; see its messages above", WEXITSTATUS(status));
        nanosleep(&pause, NULL);
    }
    die("evendrawd does not answer within a minute");
}

static void run_daemon(const struct server *server)
{
    const char *program = server->program ? server->program : EVENDRAWD;
    char database[96];
    const char *args[16] = {program, "--listen", server->address, "--database", database};
    size_t n = 5;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no daemon behind */
    snprintf(database, sizeof(database), "%s/evendraw.db", server->dir);
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL && n < 15; i++)
        args[n++] = server->options[i];
    execv(program, (char *const *)args);
    die("%s: %s", program, strerror(errno));
}

void server_start(struct server *server)
{
    if (server->dir[0] == '\0') {
        strcpy(server->dir, "/tmp/evendraw-test-XXXXXX");
        if (mkdtemp(server->dir) == NULL)
            die("mkdtemp: %s", strerror(errno));
        snprintf(server->address, sizeof(server->address), "unix:%s/socket", server->dir);
    }
    server->pid = fork();
    if (server->pid < 0)
        die("fork: %s", strerror(errno));
    if (server->pid == 0)
        run_daemon(server);
    wait_until_it_answers(server);
}

static int server_end(struct server *server, int signal_number)
{
    int status;

    if (kill(server->pid, signal_number) != 0 || waitpid(server->pid, &status, 0) != server->pid)
        die("evendrawd: %s", strerror(errno));
    server->pid = 0;
    return status;
}

void server_stop(struct server *server)
{
    int status = server_end(server, SIGTERM);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("evendrawd ended with status 0x%x", (unsigned)status);
}

void server_kill(struct server *server)
{
    server_end(server, SIGKILL);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

void server_remove(struct server *server)
{
    if (server->pid > 0)
        server_stop(server);
    if (server->dir[0] != '\0')
        nftw(server->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    server->dir[0] = '\0';
}

struct server the_daemon;

int daemon_setup(void **state)
{
    (void)state;
    server_start(&the_daemon);
    return 0;
}

int daemon_teardown(void **state)
{
    (void)state;
    server_remove(&the_daemon);
    return 0;
}

uint64_t server_rss(const struct server *server)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL && kib == 0)
        kib = strncmp(line, "VmRSS:", 6) == 0 ? strtoull(line + 6, NULL, 10) : 0;
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

evd_client *server_dial(const struct server *server)
{
    evd_client *client;

    if (evd_connect(server->address, NULL, &client) != EVD_OK)
        die("connecting to %s: %s", server->address, evd_error_message(client));
    return client;
}

json_t *ask(evd_client *client, const char *method, const char *params)
{
    char *result;
    json_error_t error;
    json_t *json;

    if (evd_call(client, method, params, &result) != EVD_OK)
        die("%s %s: %s", method, params ? params : "", evd_error_message(client));
    json = json_loads(result, JSON_DECODE_ANY, &error);
    if (json == NULL)
        die("%s answered what is not JSON: %s", method, result);
    evd_free(result);
    return json;
}

void tell(evd_client *client, const char *method, const char *params)
{
    json_decref(ask(client, method, params));
}

void refused(evd_client *client, const char *method, const char *params, int code)
{
    char *result;
    int got = evd_call(client, method, params, &result);

    evd_free(result);
    if (got != code || evd_error_message(client)[0] == '\0')
        die("%s %s: expected %s, got %s: %s", method, params ? params : "", evd_error_name(code),
            got == EVD_OK ? "success" : evd_error_name(got), evd_error_message(client));
}

static const json_t *find(const json_t *result, const char *path)
{
    char part[64];

    for (const char *at = path; result != NULL; at += strlen(part) + 1) {
        snprintf(part, sizeof(part), "%.*s", (int)strcspn(at, "."), at);
        result = json_object_get(result, part);
        if (at[strlen(part)] == '\0')
            break;
    }
    if (result == NULL)
        die("the answer has no %s", path);
    return result;
}

uint64_t number(const json_t *result, const char *path)
{
    const json_t *value = find(result, path);

    if (!json_is_integer(value))
        die("%s is not an integer", path);
    return (uint64_t)json_integer_value(value);
}

const char *text(const json_t *result, const char *path)
{
    const json_t *value = find(result, path);

    if (!json_is_string(value))
        die("%s is not text", path);
    return json_string_value(value);
}

uint32_t load_label(uint64_t sample, uint32_t classes)
{
    /* splitmix64, then the harmonic law by rejection: class c is kept with probability 1/(c+1). */
    for (uint64_t try = 0;; try++) {
        uint64_t x = (sample * 64 + try + 1) * UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
        uint32_t c = (uint32_t)((x & 0xffffffff) * classes >> 32);
        if ((x >> 32) * (c + 1) <= UINT32_MAX)
            return c;
    }
}

void load(evd_client *client, const char *name, uint64_t samples, uint32_t classes)
{
    char(*names)[16] = malloc(classes * sizeof(*names));
    const char **pointers = malloc(classes * sizeof(*pointers));
    uint32_t labels[4096];
    evd_upload *upload;
    int code;

    if (names == NULL || pointers == NULL)
        die("no memory");
    for (uint32_t c = 0; c < classes; c++) {
        snprintf(names[c], sizeof(names)[c], "c%u", (unsigned)c);
        pointers[c] = names[c];
    }
    code = evd_dataset_begin(client, name, pointers, classes, &upload);
    for (uint64_t at = 0; at < samples && code == EVD_OK;) {
        size_t n = 0;
        while (n < 4096 && at < samples)
            labels[n++] = load_label(at++, classes);
        code = evd_dataset_append(upload, labels, n);
    }
    if (code == EVD_OK)
        code = evd_dataset_commit(upload, NULL);
    if (code != EVD_OK)
        die("loading %s: %s", name, evd_error_message(client));
    free(names);
    free(pointers);
}
