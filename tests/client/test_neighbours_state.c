/*
 * evd_neighbours that is cancelled, goes on from its file, or cannot write it. The program is
 * linked with --wrap for what can fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "client/lib/knn.h"
#include "near.h"

int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);

static bool disk_full, no_rename;

int __wrap_fsync(int fd)
{
    errno = ENOSPC;
    return disk_full ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    errno = EACCES;
    return no_rename ? -1 : __real_rename(from, to);
}

static char folder[64], file[96], copy[96];

/* Progress, as seen by one caller. */
struct watch {
    int until; /* calls until it is cancelled; 0: never */
    volatile int cancel;
    int calls;
    pthread_t thread;
    uint64_t done, total;
    int before; /* calls before anything was done */
    bool keep;  /* a copy of the file when there is one */
};

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char buffer[4096];
    size_t n;

    assert_true(in && out);
    while ((n = fread(buffer, 1, sizeof(buffer), in)) > 0)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    fclose(in);
    fclose(out);
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
    struct watch *watch = arg;

    assert_true(pthread_equal(watch->thread, pthread_self()));
    assert_true(done >= watch->done && total >= watch->total && done <= total);
    watch->done = done;
    watch->total = total;
    watch->before += done == 0;
    if (++watch->calls == watch->until)
        __atomic_store_n(&watch->cancel, 1, __ATOMIC_RELAXED);
    if (watch->keep && access(file, F_OK) == 0)
        copy_file(file, copy);
}

/* As it is searched without disturbance, in `near`. */
static struct near prepare(enum kind kind, int scope, struct watch *watch)
{
    struct near near = near_new(kind, 900, 5, 4);

    near_labels(&near, 5);
    near.options.scope = scope;
    near.options.of_class = kind == WHOLE; /* 1 is a small class, 0 is not */
    near_brute(&near);
    near.options.progress = progress;
    near.options.arg = watch;
    near.options.cancel = &watch->cancel;
    near.options.partial = file;
    *watch = (struct watch){.thread = pthread_self()};
    return near;
}

static int search(const struct near *near, evd_neighbours_result *result)
{
    const size_t count = (size_t)near->options.n * near->options.k;
    uint32_t *index = malloc(count * sizeof(*index));
    float *distance = malloc(count * sizeof(*distance));
    const int code = evd_neighbours(&near->options, index, distance, result);

    if (code == EVD_OK) {
        assert_memory_equal(index, near->index, count * sizeof(*index));
        assert_memory_equal(distance, near->distance, count * sizeof(*distance));
        assert_int_not_equal(access(file, F_OK), 0);
    }
    free(index);
    free(distance);
    return code;
}

static void again(struct watch *watch, int until)
{
    *watch = (struct watch){.thread = pthread_self(), .until = until};
}

/* Cancelled at every place, and resumed by another kernel and two threads. Then cancelled again and
 * again, each time a little farther, so that the file is written over and over. */
static void cancel_everywhere(enum kind kind, int scope)
{
    const struct knn_path *paths;
    const unsigned count = knn_paths(&paths);
    evd_neighbours_result result;
    struct watch watch;
    struct near near = prepare(kind, scope, &watch);
    int until = 1;

    for (;; until++) {
        again(&watch, until);
        near.options.threads = 1;
        knn_use(&paths[(unsigned)until % count]);
        if (search(&near, &result) == EVD_OK)
            break;
        assert_int_equal(watch.cancel, 1);
        assert_string_equal(result.message, "");
        again(&watch, 0);
        near.options.threads = 2;
        knn_use(&paths[(unsigned)(until + 1) % count]);
        assert_int_equal(search(&near, &result), EVD_OK);
        assert_int_equal(result.resumed, 1);
        assert_true(watch.done == watch.total);
    }
    assert_true(until > 3);
    for (near.options.threads = 1; near.options.threads <= 2; near.options.threads++) {
        for (until = 1; again(&watch, until), search(&near, &result) != EVD_OK; until++)
            assert_int_equal(watch.cancel, 1);
        assert_true(result.resumed == 1 || near.options.threads == 2);
    }
    knn_use(NULL);
    near_free(&near);
}

static void test_cancelled(void **state)
{
    static const enum kind kinds[] = {GAUSSIAN, CLUSTERS, WHOLE};

    (void)state;
    for (int i = 0; i < 9; i++)
        cancel_everywhere(kinds[i / 3], i % 3);
}

/* What a search that was killed leaves behind is as good. */
static void test_saved_now_and_then(void **state)
{
    evd_neighbours_result result;
    struct watch watch;

    (void)state;
    for (int scope = EVD_SCOPE_ALL; scope <= EVD_SCOPE_OF_CLASS; scope++) {
        struct near near = prepare(CLUSTERS, scope, &watch);

        knn_save_every = 0;
        watch.keep = true;
        assert_int_equal(search(&near, &result), EVD_OK);
        assert_int_equal(result.resumed, 0);
        knn_save_every = UINT64_MAX;
        again(&watch, 0);
        assert_int_equal(rename(copy, file), 0);
        assert_int_equal(search(&near, &result), EVD_OK);
        assert_int_equal(result.resumed, 1);
        near_free(&near);
    }
}

/* Before anything is done nothing is worth keeping. */
static void test_cancelled_at_once(void **state)
{
    evd_neighbours_result result;
    struct watch watch;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_ALL, &watch);

    (void)state;
    watch.cancel = 1;
    assert_int_equal(search(&near, &result), EVD_CANCELLED);
    assert_string_equal(result.message, "");
    assert_int_equal(watch.calls, 0);
    assert_int_not_equal(access(file, F_OK), 0);
    near_free(&near);
}

/* Rows are packed for as long as a second: meanwhile it is looked whether to end, panel by panel.
 */
static void test_cancelled_while_packing(void **state)
{
    evd_neighbours_result result;
    struct watch watch;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_ALL, &watch);
    const int panels = 900 / KNN_PANEL;
    int calls;

    (void)state;
    assert_int_equal(search(&near, &result), EVD_OK);
    calls = watch.before;
    assert_true(calls > panels);
    for (int until = 1; until <= calls; until += 3) {
        again(&watch, until);
        assert_int_equal(search(&near, &result), EVD_CANCELLED);
        assert_int_equal(watch.calls, until);
    }
    again(&watch, 0);
    assert_int_equal(search(&near, &result), EVD_OK);
    near_free(&near);
}

/* Between classes so small that each is one unit. */
static void test_saved_between_small_classes(void **state)
{
    evd_neighbours_result result;
    struct watch watch;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_CLASS, &watch);

    (void)state;
    for (uint32_t i = 0; i < 900; i++)
        near.labels[i] = i % 40;
    near_brute(&near);
    knn_save_every = 0;
    watch.keep = true;
    assert_int_equal(search(&near, &result), EVD_OK);
    assert_int_equal(rename(copy, file), 0);
    again(&watch, 0);
    assert_int_equal(search(&near, &result), EVD_OK);
    assert_int_equal(result.resumed, 1);
    near_free(&near);
}

static void refused(const struct near *near, int code, const char *words)
{
    evd_neighbours_result result;

    assert_int_equal(search(near, &result), code);
    if (strstr(result.message, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, result.message);
}

/* Leaves the file of a search that was cancelled on its way. */
static struct near interrupted(struct watch *watch)
{
    evd_neighbours_result result;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_ALL, watch);

    again(watch, 3);
    assert_int_equal(search(&near, &result), EVD_CANCELLED);
    again(watch, 0);
    return near;
}

static void test_of_another_search(void **state)
{
    struct watch watch;
    struct near near = interrupted(&watch), other = near;
    uint32_t *label = &near.labels[7];
    evd_neighbours_result result;

    (void)state;
    other.options.k = 3;
    refused(&other, EVD_E_CONFLICT, "is of a search for something else");
    other = near;
    other.options.metric = EVD_METRIC_COSINE;
    refused(&other, EVD_E_CONFLICT, "is of a search for something else");
    other = near;
    other.options.scope = EVD_SCOPE_CLASS;
    refused(&other, EVD_E_CONFLICT, "is of a search for something else");
    near.narrow[11] = -near.narrow[11];
    refused(&near, EVD_E_CONFLICT, "is of a search for something else");
    near.narrow[11] = -near.narrow[11];
    (*label)++;
    refused(&near, EVD_E_CONFLICT, "is of a search for something else");
    (*label)--;
    assert_int_equal(search(&near, &result), EVD_OK);
    near_free(&near);
}

/* Every byte of the head, some of the rest, and every length that ends a part. */
static void test_damaged(void **state)
{
    struct watch watch;
    struct near near = interrupted(&watch);
    evd_neighbours_result result;
    struct stat info;

    (void)state;
    assert_int_equal(stat(file, &info), 0);
    copy_file(file, copy);
    for (long at = 0; at < info.st_size; at += at < 64 ? 1 : 1009) {
        FILE *f = fopen(file, "r+b");
        int byte;

        fseek(f, at, SEEK_SET);
        byte = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(byte ^ 0x40, f);
        fclose(f);
        refused(&near, EVD_E_CONFLICT, "remove it to begin anew");
        copy_file(copy, file);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(truncate(file, (long[]){0, 63, info.st_size / 2, info.st_size - 1}[i]), 0);
        refused(&near, EVD_E_CONFLICT, "is damaged");
        copy_file(copy, file);
    }
    assert_int_equal(search(&near, &result), EVD_OK);
    assert_int_equal(result.resumed, 1);
    near_free(&near);
}

static void test_no_place_for_the_file(void **state)
{
    struct watch watch;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_ALL, &watch);
    char inside[128];
    evd_neighbours_result result;

    (void)state;
    near.options.partial = folder;
    refused(&near, EVD_E_STORE, "is a folder: name a file in it");
    snprintf(inside, sizeof(inside), "%s/pipe", folder);
    assert_int_equal(mkfifo(inside, 0600), 0);
    near.options.partial = inside;
    refused(&near, EVD_E_STORE, "is no plain file");
    assert_int_equal(unlink(inside), 0);
    snprintf(inside, sizeof(inside), "%s/none/file", folder);
    near.options.partial = inside;
    refused(&near, EVD_E_STORE, "No such file or directory");
    assert_int_equal(watch.calls, 0); /* it is known before the work begins */
    near.options.partial = file;
    knn_save_every = 0;
    disk_full = true;
    refused(&near, EVD_E_STORE, "No space left on device");
    disk_full = false;
    again(&watch, 0);
    no_rename = true;
    refused(&near, EVD_E_STORE, "Permission denied");
    no_rename = false;
    knn_save_every = UINT64_MAX;
    assert_int_not_equal(access(file, F_OK), 0);
    again(&watch, 0);
    assert_int_equal(search(&near, &result), EVD_OK);
    near_free(&near);
}

/* What somebody has put where the state is written first: a pipe that nobody reads, a link to a
 * file of theirs, a folder (which is not removed, so that the search says at once what it cannot
 * do). */
static void test_something_in_the_way(void **state)
{
    struct watch watch;
    struct near near = prepare(GAUSSIAN, EVD_SCOPE_ALL, &watch);
    evd_neighbours_result result;
    char beside[104];
    struct stat info;

    (void)state;
    snprintf(beside, sizeof(beside), "%s.new", file);
    again(&watch, 3);
    assert_int_equal(mkfifo(beside, 0600), 0);
    alarm(60); /* rather than wait for ever */
    assert_int_equal(search(&near, &result), EVD_CANCELLED);
    alarm(0);
    assert_int_equal(lstat(file, &info), 0);
    assert_true(S_ISREG(info.st_mode));

    copy_file(file, copy);
    assert_int_equal(symlink(copy, beside), 0);
    again(&watch, 5);
    assert_int_equal(search(&near, &result), EVD_CANCELLED);
    assert_int_equal(rename(copy, file), 0);

    assert_int_equal(mkdir(beside, 0700), 0);
    again(&watch, 0);
    refused(&near, EVD_E_STORE, "cannot write");
    assert_int_equal(watch.calls, 0);
    assert_int_equal(rmdir(beside), 0);
    assert_int_equal(search(&near, &result), EVD_OK);
    assert_int_equal(result.resumed, 1);
    near_free(&near);
}

/* A search within another one's progress, by the same file. */
static void second(void *arg, uint64_t done, uint64_t total)
{
    struct near *near = arg;
    evd_neighbours_options options = near->options;
    const size_t count = (size_t)options.n * options.k;
    uint32_t *index = malloc(count * sizeof(*index));
    float *distance = malloc(count * sizeof(*distance));
    evd_neighbours_result result;

    (void)done, (void)total;
    options.progress = NULL;
    assert_int_equal(evd_neighbours(&options, index, distance, &result), EVD_E_BUSY);
    assert_non_null(strstr(result.message, "another search keeps its state in"));
    options.partial = copy;
    assert_int_equal(evd_neighbours(&options, index, distance, &result), EVD_OK);
    near->options.arg = NULL; /* it was here */
    near->options.progress = NULL;
    free(index);
    free(distance);
}

/* One search at a time has the file; what a process that was killed left behind keeps nobody away.
 */
static void test_two_at_once(void **state)
{
    struct watch watch;
    struct near near = interrupted(&watch);
    evd_neighbours_result result;
    char lock[112];
    FILE *left;

    (void)state;
    snprintf(lock, sizeof(lock), "%s.lock", file);
    assert_int_not_equal(access(lock, F_OK), 0); /* the one that was cancelled has it no more */
    left = fopen(lock, "w");
    assert_true(left && fclose(left) == 0);
    near.options.progress = second;
    near.options.arg = &near;
    assert_int_equal(search(&near, &result), EVD_OK);
    assert_null(near.options.arg);
    assert_int_equal(result.resumed, 1);
    assert_int_equal(unlink(file), -1);

    assert_int_equal(symlink(copy, lock), 0); /* somebody's file is not to be made or locked */
    again(&watch, 0);
    refused(&near, EVD_E_STORE, "cannot lock");
    assert_int_not_equal(access(copy, F_OK), 0);
    assert_int_equal(unlink(lock), 0);
    near_free(&near);
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/evd-neighbours-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/partial", folder);
    snprintf(copy, sizeof(copy), "%s/copy", folder);
    knn_tick_every = 0;
    knn_save_every = UINT64_MAX;
    return 0;
}

/* Nothing is left behind. */
static int end(void **state)
{
    (void)state;
    unlink(copy);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cancelled, begin, end),
        cmocka_unit_test_setup_teardown(test_cancelled_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_saved_now_and_then, begin, end),
        cmocka_unit_test_setup_teardown(test_cancelled_while_packing, begin, end),
        cmocka_unit_test_setup_teardown(test_saved_between_small_classes, begin, end),
        cmocka_unit_test_setup_teardown(test_of_another_search, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged, begin, end),
        cmocka_unit_test_setup_teardown(test_no_place_for_the_file, begin, end),
        cmocka_unit_test_setup_teardown(test_something_in_the_way, begin, end),
        cmocka_unit_test_setup_teardown(test_two_at_once, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
