/*
 * Files that `evendraw load` reads: IDX, NPY, CSV and lines, as labels and as numbers. The first
 * byte of an input says how the file is read, the rest is the file.
 *
 * Properties: a second pass over the same file meets the same labels, and a file is never read
 * beyond its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "check.h"
#include "client/cli/labels.h"
#include "client/cli/source.h"

struct pass {
    struct labels labels;
    uint64_t count, found;
};

/* As `load` does it: a label is looked up before it is looked at. */
static bool take_label(void *arg, const char *text, size_t len)
{
    struct pass *pass = arg;

    pass->count++;
    if (len == 0)
        return true;
    if (labels_find(&pass->labels, text, len) != NULL)
        pass->found++;
    else if (memchr(text, '\0', len) == NULL && len <= EVD_NAME_LIMIT)
        CHECK(labels_add(&pass->labels, text, len) != NULL);
    return true;
}

static bool take_number(void *arg, double value)
{
    (void)value;
    ++*(uint64_t *)arg;
    return true;
}

static void read_twice(struct source *source)
{
    struct pass pass = {.count = 0};
    uint64_t count, numbers = 0;
    uint32_t classes;
    bool numeric;

    labels_init(&pass.labels);
    if (source_read(source, take_label, &pass)) {
        count = pass.count;
        classes = pass.labels.count;
        CHECK(source->samples == count);
        CHECK(source_read(source, take_label, &pass));
        CHECK(pass.count == 2 * count && pass.labels.count == classes);
        CHECK(labels_order(&pass.labels, false, &numeric) && pass.labels.class_count == classes);
    }
    if (source_read_numbers(source, take_number, &numbers))
        CHECK(source->samples == numbers);
    labels_fini(&pass.labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct source_format *const formats[] = {NULL, &source_idx, &source_npy,
                                                          &source_csv, &source_lines};
    struct cli cli = {.json = false};
    struct source source = {.cli = &cli, .doing = "reading"};
    FILE *loud = stderr, *quiet;
    char path[32];
    int fd;

    if (n == 0)
        return 0;
    fd = memfd_create("file", MFD_CLOEXEC);
    quiet = fopen("/dev/null", "w"); /* most inputs are refused with a message */
    CHECK(fd >= 0 && quiet != NULL && write(fd, data + 1, n - 1) == (ssize_t)n - 1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    source.path = path;
    source.format = formats[data[0] % 5];
    source.column = data[0] & 0x80 ? "y" : NULL;
    source.delimiter = data[0] & 0x40 ? ';' : '\0';
    stderr = quiet;
    if (source_open(&source)) {
        read_twice(&source);
        source_close(&source);
    }
    stderr = loud;
    fclose(quiet);
    close(fd);
    return 0;
}
