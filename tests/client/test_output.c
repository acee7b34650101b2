/*
 * Files that commands write (client/cli/output.h): which are replaced, which are written as they
 * stand, and which are refused.
 *
 * A child process does it, as another user if it may: to root nothing is write-protected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client/cli/output.h"

#define NOBODY 65534 /* on every Linux */

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;

    next = (next + 1) % 4;
    snprintf(paths[next], sizeof(paths[next]), "%s/%s", folder, name);
    return paths[next];
}

static bool is_root(void)
{
    return geteuid() == 0;
}

/* A file or folder is nobody's, who is to write there. */
static void give(const char *path)
{
    if (is_root())
        assert_int_equal(lchown(path, NOBODY, NOBODY), 0);
}

static int setup(void **state)
{
    (void)state;
    umask(022);
    snprintf(folder, sizeof(folder), "/tmp/evd-output-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    give(folder);
    return 0;
}

static int teardown(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof(command), "chmod -R u+rwx %s && rm -r %s", folder, folder);
    return system(command);
}

static void make_file(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("before, which is longer", file);
    assert_int_equal(fclose(file), 0);
    give(path);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_after(FILE *out, const json_t *answer)
{
    (void)answer;
    fputs("after", out);
}

static void fail_midway(FILE *out, const json_t *answer)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)answer;
    fputs("half", out);
    fflush(out);
    dup2(full, fileno(out));
    fputs("the rest", out);
}

struct outcome {
    int status; /* exit code; 0: written */
    char says[512];
};

/* Writes there, as root or not. */
static struct outcome write_as(bool root, const char *path, output_writer *write)
{
    struct outcome outcome = {0};
    int pipes[2], status;
    size_t got = 0;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cli cli = {0};

        dup2(pipes[1], STDERR_FILENO);
        if (is_root() && !root &&
            (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(99);
        _exit(output_write(&cli, path, write, NULL) ? 0 : cli.status);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], outcome.says + got, sizeof(outcome.says) - 1 - got)) > 0)
        got += (size_t)n;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    outcome.status = WEXITSTATUS(status);
    assert_int_not_equal(outcome.status, 99);
    return outcome;
}

static void assert_written(const char *path)
{
    struct outcome outcome = write_as(false, path, write_after);

    if (outcome.status != 0)
        fail_msg("%s: %s", path, outcome.says);
}

static void assert_holds(const char *path, const char *text)
{
    char got[64] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(got, 1, sizeof(got) - 1, file) < sizeof(got));
    fclose(file);
    assert_string_equal(got, text);
}

/* Nothing half written is left. */
static void assert_files(int want)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(count, want);
}

static struct stat look(const char *path)
{
    struct stat at;

    assert_int_equal(stat(path, &at), 0);
    return at;
}

static void new_files(void **state)
{
    (void)state;
    assert_written(in_folder("new"));
    assert_holds(in_folder("new"), "after");
    assert_int_equal(look(in_folder("new")).st_mode & 07777, 0644);
    assert_int_equal(write_as(false, in_folder("none/new"), write_after).status, EXIT_INPUT);
    assert_int_equal(write_as(false, folder, write_after).status, EXIT_INPUT);
    assert_int_equal(write_as(false, in_folder("half"), fail_midway).status, EXIT_INPUT);
    assert_files(1);
}

/* Another file in its place, of the same owner and with the same rights; or the old one. */
static void replaced_whole(void **state)
{
    struct stat before, after;

    (void)state;
    make_file(in_folder("there"), 0640);
    before = look(in_folder("there"));
    assert_int_equal(write_as(false, in_folder("there"), fail_midway).status, EXIT_INPUT);
    assert_holds(in_folder("there"), "before, which is longer");
    assert_int_equal(look(in_folder("there")).st_ino, before.st_ino);
    assert_int_equal(write_as(true, in_folder("there"), write_after).status, 0);
    assert_holds(in_folder("there"), "after");
    after = look(in_folder("there"));
    assert_int_not_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_files(1);
}

/* Who may not write to it does not replace it; root may. */
static void write_protected(void **state)
{
    struct outcome outcome;

    (void)state;
    make_file(in_folder("kept"), 0444);
    outcome = write_as(false, in_folder("kept"), write_after);
    assert_int_equal(outcome.status, EXIT_INPUT);
    assert_non_null(strstr(outcome.says, "it is write-protected: make it writable"));
    assert_holds(in_folder("kept"), "before, which is longer");
    if (is_root()) {
        assert_int_equal(write_as(true, in_folder("kept"), write_after).status, 0);
        assert_holds(in_folder("kept"), "after");
        assert_int_equal(look(in_folder("kept")).st_mode & 07777, 0444);
    }
    assert_files(1);
}

/* Nothing can be put beside it, so it is written as it stands; and nothing new can be made. */
static void protected_folder(void **state)
{
    struct stat before;

    (void)state;
    make_file(in_folder("there"), 0644);
    before = look(in_folder("there"));
    assert_int_equal(chmod(folder, 0555), 0);
    assert_written(in_folder("there"));
    assert_holds(in_folder("there"), "after");
    assert_int_equal(look(in_folder("there")).st_ino, before.st_ino);
    assert_int_equal(write_as(false, in_folder("new"), write_after).status, EXIT_INPUT);
    assert_files(1);
}

/* A link stays one, a file of two names stays one, and a name that leaves no room for another. */
static void other_names(void **state)
{
    static const char *const names[] = {"link", "second"};
    char longest[256];

    (void)state;
    make_file(in_folder("there"), 0644);
    assert_int_equal(symlink("there", in_folder("link")), 0);
    for (int i = 0; i < 2; i++) {
        struct stat before = look(in_folder("there")), after;

        assert_written(in_folder(names[i]));
        after = look(in_folder("there"));
        assert_holds(in_folder("there"), "after");
        assert_int_equal(after.st_ino, before.st_ino);
        make_file(in_folder("there"), 0644);
        if (i == 0)
            assert_int_equal(link(in_folder("there"), in_folder("second")), 0);
    }
    assert_int_equal(symlink("to come", in_folder("ahead")), 0);
    assert_written(in_folder("ahead"));
    assert_holds(in_folder("to come"), "after");
    memset(longest, 'n', 255);
    longest[255] = '\0';
    {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", folder, longest);
        assert_written(path);
        assert_holds(path, "after");
    }
    assert_files(6);
}

/* What is written to /dev/stdout is followed by what is printed, also where that is a file. */
static void standard_output(void **state)
{
    int kept = dup(STDOUT_FILENO), fd;

    (void)state;
    fflush(stdout);
    make_file(in_folder("out"), 0666);
    fd = open(in_folder("out"), O_WRONLY | O_TRUNC);
    assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    close(fd);
    assert_written("/dev/stdout");
    assert_written(in_folder("out"));
    assert_int_equal(write(STDOUT_FILENO, ", table", 7), 7);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    assert_holds(in_folder("out"), "afterafter, table");
    assert_int_equal(write_as(false, "/dev/full", write_after).status, EXIT_INPUT);
    assert_written("/dev/null");
    assert_files(1);
}

static void a_pipe(void **state)
{
    char got[16] = "";
    int fd;

    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0666), 0);
    give(in_folder("pipe"));
    fd = open(in_folder("pipe"), O_RDWR);
    assert_true(fd >= 0);
    assert_written(in_folder("pipe"));
    assert_int_equal(read(fd, got, sizeof(got) - 1), 5);
    assert_string_equal(got, "after");
    close(fd);
    assert_files(1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(new_files),   TEST(replaced_whole),  TEST(write_protected), TEST(protected_folder),
        TEST(other_names), TEST(standard_output), TEST(a_pipe),
    };

    fputs(is_root() ? "writing as nobody, and as root\n" : "not root: writing as one user\n",
          stderr);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
