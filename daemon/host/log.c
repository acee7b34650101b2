/*
 * Queues lines for standard error, and the thread that writes them. Called by whoever in host/ has
 * something to say, and by main.
 *
 * Standard error may be shared with other processes, so it is not made non-blocking: that would be
 * so for all of them. What blocks is the thread. It may still do so when the process ends, and all
 * that it uses is static.
 */
#include "host/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "proto/text.h"

/* Whole lines that are written at once. A pipe takes so much in one piece, whoever else writes. */
#define PIECE_BYTES PIPE_BUF

/* How long what cannot be written is left alone (a full disk), and how long a crash waits. */
#define RETRY_MS 1000u
#define CRASH_MS 500u

static char ring[LOG_BYTES];

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more, written;
    size_t begin, len; /* of what is in the ring */
    uint64_t dropped;  /* lines, after the last one that is queued; while not 0 none is queued */
    bool started, ending;
    bool writing;         /* the thread has a piece in hand */
    bool failing;         /* the last write failed */
    atomic_bool all_done; /* nothing is queued or in hand: for the handler of a crash */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .all_done = true};

static struct timespec in_ms(unsigned milliseconds)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += milliseconds / 1000;
    when.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_nsec -= 1000000000;
        when.tv_sec++;
    }
    return when;
}

/* ---- the thread ---- */

/* Blocks until it is written. False: it cannot be. */
static bool write_all(const char *bytes, size_t n)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, n);

        if (written >= 0) {
            bytes += written;
            n -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&ready, 1, -1); /* somebody else has made it non-blocking */
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static size_t line_length(void)
{
    size_t n = 0;

    while (ring[(queue.begin + n++) % LOG_BYTES] != '\n')
        ;
    return n;
}

/* Takes whole lines out of the ring, as many as fit: how many bytes and lines. */
static size_t take(char piece[PIECE_BYTES], uint64_t *lines)
{
    size_t taken = 0, n;

    while (queue.len > 0 && (n = line_length()) <= PIECE_BYTES - taken) {
        for (size_t i = 0; i < n; i++)
            piece[taken + i] = ring[(queue.begin + i) % LOG_BYTES];
        queue.begin = (queue.begin + n) % LOG_BYTES;
        queue.len -= n;
        taken += n;
        ++*lines;
    }
    return taken;
}

/* What is to be written next: lines, or behind the last one how many are missing. Each of these is
 * counted in *lines, for it is lost if it cannot be written. */
static size_t next_piece(char piece[PIECE_BYTES], uint64_t *lines)
{
    *lines = 0;
    if (queue.len > 0)
        return take(piece, lines);
    *lines = queue.dropped;
    queue.dropped = 0;
    return (size_t)snprintf(piece, PIECE_BYTES,
                            "evendrawd: warning: the log was not read or could not be written: "
                            "%" PRIu64 " lines are missing here\n",
                            *lines);
}

/* Waits until there is something to write, and may be tried. */
static void wait_for_more(void)
{
    struct timespec retry = in_ms(RETRY_MS);
    int rc = 0;

    while (queue.failing && !queue.ending && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&queue.more, &queue.lock, &retry);
    while (queue.len == 0 && (queue.dropped == 0 || (queue.failing && queue.ending)))
        pthread_cond_wait(&queue.more, &queue.lock);
}

static void *write_lines(void *arg)
{
    static char piece[PIECE_BYTES];

    pthread_mutex_lock(&queue.lock);
    for (;;) {
        uint64_t lines;
        size_t n;
        bool ok;

        wait_for_more();
        n = next_piece(piece, &lines);
        queue.writing = true;
        pthread_mutex_unlock(&queue.lock);
        ok = write_all(piece, n);
        pthread_mutex_lock(&queue.lock);
        queue.writing = false;
        queue.failing = !ok;
        if (!ok)
            queue.dropped += lines;
        queue.all_done = queue.len == 0 && queue.dropped == 0;
        pthread_cond_signal(&queue.written);
    }
    return arg;
}

/* ---- crashes ---- */

/* An assertion, or a fault: what was logged before may say why, and the thread goes on writing
 * while this one waits. */
static void on_crash(int number)
{
    static const struct timespec pause = {.tv_nsec = 5000000};

    for (unsigned ms = 0; ms < CRASH_MS && !queue.all_done; ms += 5)
        nanosleep(&pause, NULL);
    raise(number); /* the handler is gone: as it would have ended without it */
}

/* Not where a sanitizer has its own handler. */
static void watch_for_crashes(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND}, old;

    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        if (sigaction(fatal[i], NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
            old.sa_handler == SIG_DFL)
            sigaction(fatal[i], &action, NULL);
    }
}

/* ---- for everybody ---- */

static int start_thread(void)
{
    pthread_condattr_t clock;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int rc;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.more, &clock);
    pthread_cond_init(&queue.written, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attributes);
    /* Nobody can wait for a thread that may be blocked for ever. */
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    /* Signals are the loop's; and with SIGTTOU blocked, a terminal that stops what writes in the
     * background does not stop the daemon. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attributes, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc;
}

int log_start(struct evd_error *err)
{
    int rc = start_thread();

    if (rc != 0)
        return error_set(err, EVD_E_INTERNAL, "", "cannot start the thread that logs: %s",
                         strerror(rc));
    queue.started = true;
    watch_for_crashes();
    return EVD_OK;
}

static void enqueue(const char *line, size_t n)
{
    size_t end, first;

    pthread_mutex_lock(&queue.lock);
    if (queue.dropped > 0 || LOG_BYTES - queue.len < n) {
        queue.dropped++; /* further ones too, until the thread has said so in their place */
    } else {
        end = (queue.begin + queue.len) % LOG_BYTES;
        first = n < LOG_BYTES - end ? n : LOG_BYTES - end;
        memcpy(ring + end, line, first);
        memcpy(ring, line + first, n - first);
        queue.len += n;
    }
    queue.all_done = false;
    pthread_cond_signal(&queue.more);
    pthread_mutex_unlock(&queue.lock);
}

void log_line(const char *format, ...)
{
    char text[1536], line[PIECE_BYTES];
    va_list ap;
    size_t n;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    text_escape(line, sizeof(line) - 1, text);
    n = strlen(line);
    line[n++] = '\n';
    if (queue.started)
        enqueue(line, n);
    else
        write_all(line, n);
}

void log_end(unsigned milliseconds)
{
    struct timespec until = in_ms(milliseconds);
    int rc = 0;

    if (!queue.started)
        return;
    pthread_mutex_lock(&queue.lock);
    queue.ending = true;
    pthread_cond_signal(&queue.more);
    while (rc != ETIMEDOUT &&
           (queue.writing || queue.len > 0 || (queue.dropped > 0 && !queue.failing)))
        rc = pthread_cond_timedwait(&queue.written, &queue.lock, &until);
    pthread_mutex_unlock(&queue.lock);
}
