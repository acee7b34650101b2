/* Features of samples in a file (features.h). Called by neighbours.c and select.c. */
#include "features.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <evendraw_features.h>

/* The file was cut after it was mapped: what is missing cannot be read, and there is nothing to go
 * back to. */
static void cut_off(int number)
{
    static const char text[] =
        "\nevendraw: the file with the numbers of the samples was cut off, or "
        "its disk failed, while it was read: write it again, and do not "
        "change it meanwhile\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(EXIT_INPUT);
}

static bool check_size(struct source *source, const struct source_matrix *shape, uint64_t bytes)
{
    uint64_t rest = bytes < shape->offset ? 0 : bytes - shape->offset;

    if (shape->offset % shape->size != 0)
        return source_error(source, "its numbers are at an odd place: store it again with "
                                    "numpy.save");
    if (shape->n > rest / shape->size / shape->d)
        return source_error(source,
                            "is cut off: its header promises %llu rows of %llu numbers, and %llu "
                            "bytes of them are there",
                            (unsigned long long)shape->n, (unsigned long long)shape->d,
                            (unsigned long long)rest);
    return true;
}

static bool check_columns(struct source *source, const struct source_matrix *shape)
{
    if (shape->probabilities || shape->d <= EVD_NEIGHBOURS_MAX_D)
        return true;
    return source_error(source,
                        "has %llu columns, and at most %u can be searched: reduce them first, by "
                        "principal components for instance",
                        (unsigned long long)shape->d, EVD_NEIGHBOURS_MAX_D);
}

static bool no_plain_file(struct source *source)
{
    return source_error(source, "is no plain file: store the numbers in one");
}

static bool map(struct features *features, struct source *source, int fd)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return source_error(source, "cannot open it: %s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return no_plain_file(source);
    if (!check_size(source, &features->shape, (uint64_t)info.st_size))
        return false;
    features->map_bytes = (size_t)info.st_size;
    features->map = mmap(NULL, features->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (features->map == MAP_FAILED)
        return source_error(source, "cannot map it: %s", strerror(errno));
    features->values = (const char *)features->map + features->shape.offset;
    signal(SIGBUS, cut_off);
    return true;
}

/* An open file that begins as an NPY does, or -1 after a message. */
static int open_npy(struct source *source)
{
    char magic[6] = "";
    int fd = -1;

    if (strcmp(source->path, "-") == 0)
        source_error(source, "cannot hold features: name an .npy file, which is read several "
                             "times");
    else if ((fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        source_error(source, "cannot open it: %s", strerror(errno));
    else if (pread(fd, magic, sizeof(magic), 0) < 0 && errno == ESPIPE)
        no_plain_file(source);
    else if (pread(fd, magic, sizeof(magic), 0) < 0)
        source_error(source, "cannot read it: %s", strerror(errno));
    else if (memcmp(magic, "\x1f\x8b", 2) == 0)
        source_error(source, "is compressed: features are read several times, so unpack it first "
                             "(gunzip)");
    else if (memcmp(magic, "\x93NUMPY", sizeof(magic)) != 0)
        source_error(source, "is no NPY file, which features have to be in: "
                             "numpy.save(FILE, X.astype(\"float32\"))");
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool features_open(struct features *features, struct cli *cli, const char *path)
{
    struct source source = {
        .cli = cli, .path = path, .format = source_format_named("npy"), .doing = "reading"};
    int fd = open_npy(&source);
    bool ok = false;

    if (fd >= 0 && source_open(&source)) {
        /* Its first bytes were read to find out its format. */
        ok = gzrewind(source.gz) == 0 && source_npy_matrix(&source, &features->shape) &&
             check_columns(&source, &features->shape) && map(features, &source, fd);
        source_close(&source);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

void features_close(struct features *features)
{
    munmap(features->map, features->map_bytes);
}
