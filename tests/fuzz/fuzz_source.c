/*
 * Files that `evendraw load` reads, in every format that is a file, as labels and as numbers. The
 * first byte of an input says which format is asked for and which column, the second the options of
 * tables, the rest is the file.
 *
 * Properties: a second pass over the same file meets the same labels, a class has a name, and
 * a file is never read beyond its end.
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
        CHECK(labels_order(&pass.labels, false, &numeric) && pass.labels.class_count <= classes);
        for (uint32_t c = 0; c < pass.labels.class_count; c++)
            CHECK(pass.labels.classes[c][0] != '\0');
    }
    if (source_read_numbers(source, take_number, &numbers))
        CHECK(source->samples == numbers);
    labels_fini(&pass.labels);
}

static void take_options(struct source *source, uint8_t first, uint8_t second)
{
    static const struct source_format *const formats[] = {
        NULL,        &source_idx, &source_npy,   &source_csv,
        &source_tsv, &source_npz, &source_jsonl, &source_libsvm,
    };
    static const char *const columns[] = {NULL, "y", "1", "-1"};
    static const char delimiters[] = {'\0', ';', DELIMITER_BLANK, '\t'};
    static const char *const one_hot[] = {NULL, "all", "a,b", "2,-1"};

    source->format = first & 0x20 ? &source_lines : formats[first % 8];
    source->column = columns[first >> 6];
    source->delimiter = delimiters[second & 3];
    source->quote = (enum source_quote)((second >> 2 & 3) % 3);
    source->no_header = second >> 4 & 1;
    source->one_hot = source->column ? NULL : one_hot[second >> 6];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cli cli = {.json = false};
    struct source source = {.cli = &cli, .doing = "reading"};
    FILE *loud = stderr, *quiet;
    char path[32];
    int fd;

    if (n < 2)
        return 0;
    fd = memfd_create("file", MFD_CLOEXEC);
    quiet = fopen("/dev/null", "w"); /* most inputs are refused with a message */
    CHECK(fd >= 0 && quiet != NULL && write(fd, data + 2, n - 2) == (ssize_t)n - 2);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    source.path = path;
    take_options(&source, data[0], data[1]);
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
