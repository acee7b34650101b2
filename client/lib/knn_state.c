/*
 * The file in which a search keeps how far it has come (options->partial). Called by neighbours.c
 * and knn_run.c.
 *
 *   head       what the file is, what was searched for (a digest), how far it has come
 *   results    n * k indices, n * k distances: of the groups that are done
 *   lists      candidates of the group under way: their values, their points
 *   checksum   XXH3-64 of all before
 *
 * Numbers are as the machine has them: a file from another byte order has another magic number. It
 * is written beside its name and then renamed, so that a crash leaves the one before. Beside it is
 * the lock, NAME.lock, as long as a search has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "client/lib/knn.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC UINT64_C(0x314e4e4b44564502) /* and the version of what follows */

struct head {
    uint64_t magic, terms;
    struct knn_place place;
    uint64_t lists; /* candidates in the lists */
    uint64_t doubtful;
    struct knn_tally tally;
};

/* A file on its way in or out, with the sum of what has passed. */
struct passing {
    struct knn_search *search;
    int fd;
    XXH3_state_t sum;
};

static int io_error(struct knn_search *s, const char *verb)
{
    return error_set(&s->error, EVD_E_STORE, s->options->partial,
                     "cannot %s %s: %s; name a file in a folder that can be written to, with %llu "
                     "bytes of room, or do without",
                     verb, s->options->partial, strerror(errno),
                     (unsigned long long)s->n * s->k * 8 + (uint64_t)s->query_count * s->kept * 8);
}

int knn_state_damaged(struct knn_search *s)
{
    return error_set(&s->error, EVD_E_CONFLICT, s->options->partial,
                     "%s is damaged or no state of a search: remove it to begin anew",
                     s->options->partial);
}

/* ---- writing ---- */

static int put(struct passing *p, const void *data, size_t size)
{
    const char *from = data;

    XXH3_64bits_update(&p->sum, data, size);
    while (size > 0) {
        const ssize_t n = write(p->fd, from, size < (1u << 30) ? size : 1u << 30);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_error(p->search, "write");
        from += n;
        size -= (size_t)n;
    }
    return EVD_OK;
}

static int put_all(struct knn_search *s, int fd)
{
    const size_t results = (size_t)s->n * s->k;
    const size_t lists = s->small ? 0 : (size_t)s->query_count * s->kept;
    const struct head head = {MAGIC, s->terms, s->place, lists, s->doubtful_total, s->tally};
    struct passing p = {.search = s, .fd = fd};
    uint64_t sum;

    XXH3_64bits_reset(&p.sum);
    if (put(&p, &head, sizeof(head)) != EVD_OK ||
        put(&p, s->index, results * sizeof(*s->index)) != EVD_OK ||
        put(&p, s->distance, results * sizeof(*s->distance)) != EVD_OK ||
        put(&p, s->near_value, lists * sizeof(*s->near_value)) != EVD_OK ||
        put(&p, s->near_index, lists * sizeof(*s->near_index)) != EVD_OK)
        return s->error.code;
    sum = XXH3_64bits_digest(&p.sum);
    if (put(&p, &sum, sizeof(sum)) != EVD_OK)
        return s->error.code;
    return fsync(fd) == 0 ? EVD_OK : io_error(s, "write");
}

/* A rename is on the disk when its folder is. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    int fd;

    if (slash != NULL)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(folder);
}

static char *beside(struct knn_search *s, const char *suffix)
{
    const size_t size = strlen(s->options->partial) + strlen(suffix) + 1;
    char *path = knn_alloc(s, size, 1);

    if (path != NULL)
        snprintf(path, size, "%s%s", s->options->partial, suffix);
    return path;
}

/* A file of its own: not what another search writes to, nor what somebody has put there, such as a
 * pipe that nobody reads. */
static int open_beside(const char *path)
{
    unlink(path);
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int knn_state_save(struct knn_search *s)
{
    char *path = beside(s, ".new");
    int fd, code;

    if (path == NULL)
        return s->error.code;
    fd = open_beside(path);
    code = fd < 0 ? io_error(s, "write") : put_all(s, fd);
    if (fd >= 0 && close(fd) != 0 && code == EVD_OK)
        code = io_error(s, "write");
    if (code == EVD_OK && rename(path, s->options->partial) != 0)
        code = io_error(s, "write");
    if (code == EVD_OK)
        sync_folder(path);
    else if (fd >= 0)
        unlink(path);
    free(path);
    s->saved = knn_now();
    s->saved_done = s->done;
    return code;
}

/* ---- reading ---- */

static int get_bytes(struct passing *p, void *data, size_t size)
{
    char *to = data;

    while (size > 0) {
        const ssize_t n = read(p->fd, to, size < (1u << 30) ? size : 1u << 30);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(p->search, "read");
        if (n == 0)
            return knn_state_damaged(p->search);
        to += n;
        size -= (size_t)n;
    }
    return EVD_OK;
}

static int get(struct passing *p, void *data, size_t size)
{
    if (get_bytes(p, data, size) != EVD_OK)
        return p->search->error.code;
    XXH3_64bits_update(&p->sum, data, size);
    return EVD_OK;
}

static int get_head(struct passing *p, uint64_t size, struct head *head)
{
    struct knn_search *s = p->search;
    const uint64_t results = (uint64_t)s->n * s->k;
    uint64_t lists;

    if (get(p, head, sizeof(*head)) != EVD_OK)
        return s->error.code;
    if (head->magic != MAGIC)
        return knn_state_damaged(s);
    if (head->terms != s->terms)
        return error_set(&s->error, EVD_E_CONFLICT, s->options->partial,
                         "%s is of a search for something else (features, labels, k, metric, "
                         "scope or recall differ): name another file, or remove it to begin anew",
                         s->options->partial);
    if (head->place.group >= s->groups || head->place.stage > KNN_EXACT)
        return knn_state_damaged(s);
    lists = knn_group_small(s, head->place.group)
                ? 0
                : (uint64_t)knn_group_size(s, head->place.group) * s->kept;
    if (head->lists != lists)
        return knn_state_damaged(s);
    if (size != sizeof(*head) + (results + head->lists) * 8 + sizeof(uint64_t))
        return knn_state_damaged(s);
    return EVD_OK;
}

/* The lists are read later, when there is memory for them; here only their part of the sum. */
static int get_sum(struct passing *p, uint64_t lists)
{
    char buffer[16384];
    uint64_t left = lists * 8, sum;

    while (left > 0) {
        const size_t n = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);

        if (get(p, buffer, n) != EVD_OK)
            return p->search->error.code;
        left -= n;
    }
    if (get_bytes(p, &sum, sizeof(sum)) != EVD_OK)
        return p->search->error.code;
    return sum == XXH3_64bits_digest(&p->sum) ? EVD_OK : knn_state_damaged(p->search);
}

static int get_all(struct knn_search *s, int fd)
{
    const size_t results = (size_t)s->n * s->k;
    struct passing p = {.search = s, .fd = fd};
    struct head head;
    struct stat info;

    XXH3_64bits_reset(&p.sum);
    if (fstat(fd, &info) != 0)
        return io_error(s, "read");
    if (S_ISDIR(info.st_mode))
        return error_set(&s->error, EVD_E_STORE, s->options->partial,
                         "%s is a folder: name a file in it, which the search makes",
                         s->options->partial);
    if (!S_ISREG(info.st_mode))
        return error_set(&s->error, EVD_E_STORE, s->options->partial,
                         "%s is no plain file: name another, which the search makes",
                         s->options->partial);
    if (get_head(&p, (uint64_t)info.st_size, &head) != EVD_OK ||
        get(&p, s->index, results * sizeof(*s->index)) != EVD_OK ||
        get(&p, s->distance, results * sizeof(*s->distance)) != EVD_OK ||
        get_sum(&p, head.lists) != EVD_OK)
        return s->error.code;
    for (size_t i = 0; i < results; i++)
        if ((s->index[i] >= s->n && s->index[i] != EVD_NO_NEIGHBOUR) || !(s->distance[i] >= 0))
            return knn_state_damaged(s);
    if (!(head.tally.queries >= 0 && head.tally.queries <= s->n) ||
        !(head.tally.missed >= 0 && head.tally.missed <= head.tally.queries) ||
        !(head.tally.spread >= 0) || isinf(head.tally.spread))
        return knn_state_damaged(s);
    s->place = head.place;
    s->doubtful_total = head.doubtful;
    s->tally = head.tally;
    return EVD_OK;
}

/* Whether the state can be saved: better to know at once than in a minute. */
static int try_to_write(struct knn_search *s)
{
    char *path = beside(s, ".new");
    int fd = path ? open_beside(path) : -1, code;

    code = !path ? s->error.code : fd < 0 ? io_error(s, "write") : EVD_OK;
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    return code;
}

/* ---- one search at a time ---- */

/* A lock that is no more when its process is not. It is on a file of its own, since the state is
 * another file each time that it is saved. Where there are no locks (some network file systems)
 * nobody is kept away. */
static int take_lock(struct knn_search *s, const char *path)
{
    struct stat mine, there;

    for (;;) {
        s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (s->lock < 0)
            return io_error(s, "lock");
        if (flock(s->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(s->lock);
            return error_set(&s->error, EVD_E_BUSY, s->options->partial,
                             "another search keeps its state in %s: wait for its end, or name "
                             "another file",
                             s->options->partial);
        }
        if (fstat(s->lock, &mine) == 0 && stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
            mine.st_ino == there.st_ino)
            return EVD_OK;
        close(s->lock); /* who had it before has removed it just then */
    }
}

static int lock(struct knn_search *s)
{
    char *path = beside(s, ".lock");
    int code = path ? take_lock(s, path) : s->error.code;

    if (code == EVD_OK)
        s->locked = path;
    else
        free(path);
    return code;
}

void knn_state_close(struct knn_search *s)
{
    if (!s->locked)
        return;
    unlink(s->locked);
    close(s->lock);
    free(s->locked);
    s->locked = NULL;
}

int knn_state_open(struct knn_search *s)
{
    if (lock(s) != EVD_OK)
        return s->error.code;
    s->resumed = open(s->options->partial, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->resumed < 0 && errno != ENOENT)
        return io_error(s, "read");
    if (s->resumed >= 0 && get_all(s, s->resumed) != EVD_OK)
        return s->error.code;
    return try_to_write(s);
}

int knn_state_candidates(struct knn_search *s)
{
    const uint64_t results = (uint64_t)s->n * s->k, lists = (uint64_t)s->query_count * s->kept;
    struct passing p = {.search = s, .fd = s->resumed};

    XXH3_64bits_reset(&p.sum);
    if (lseek(p.fd, (off_t)(sizeof(struct head) + results * 8), SEEK_SET) < 0)
        return io_error(s, "read");
    if (get_bytes(&p, s->near_value, lists * sizeof(float)) != EVD_OK ||
        get_bytes(&p, s->near_index, lists * sizeof(uint32_t)) != EVD_OK)
        return s->error.code;
    for (uint64_t i = 0; i < lists; i++) {
        const bool behind_none = i % s->kept && s->near_index[i - 1] == KNN_NONE;
        const bool none = s->near_index[i] == KNN_NONE;

        if ((!none && (behind_none || s->near_index[i] >= s->point_count)) ||
            isnan(s->near_value[i]))
            return knn_state_damaged(s);
    }
    return EVD_OK;
}

void knn_state_remove(struct knn_search *s)
{
    if (unlink(s->options->partial) == 0)
        sync_folder(s->options->partial);
}
