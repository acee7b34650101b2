#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool source_error(struct source *source, const char *format, ...)
{
    va_list ap;

    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr); /* over the progress */
    fprintf(stderr, "evendraw: %s",
            strcmp(source->path, "-") == 0 ? "standard input" : source->path);
    if (source->line > 0)
        fprintf(stderr, ", line %llu", (unsigned long long)source->line);
    fputs(": ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    source->cli->status = EXIT_INPUT;
    return false;
}

/* ---- progress ---- */

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void show_progress(struct source *source, bool end)
{
    double t = now();
    text_t done, all, samples, rate;

    if (!isatty(STDERR_FILENO) || (!end && t - source->shown < 0.2))
        return;
    source->shown = t;
    if (end) {
        fputs("\r\033[K", stderr);
        return;
    }
    fprintf(stderr, "\r\033[K%s %s: %s of %s, %s samples, %s/s", source->doing, source->path,
            text_bytes(done, (uint64_t)gzoffset(source->gz)), text_bytes(all, source->file_bytes),
            text_count(samples, source->samples),
            text_count(rate, (uint64_t)((double)source->samples / (t - source->started + 1e-6))));
}

int source_bytes(struct source *source, void *bytes, unsigned size)
{
    int n = gzread(source->gz, bytes, size), error = Z_OK;

    if (n <= 0) {
        const char *why = gzerror(source->gz, &error);
        source->line = 0;
        if (error == Z_BUF_ERROR) {
            source_error(source, "its compressed data ends too early: the file is cut off");
            return -1;
        }
        if (n < 0) {
            source_error(source, "cannot read it: %s", error == Z_ERRNO ? strerror(errno) : why);
            return -1;
        }
    }
    show_progress(source, false);
    return n;
}

/* ---- opening ---- */

static bool copy_all(struct source *source, int from, int to)
{
    char block[65536];
    ssize_t n;

    while ((n = read(from, block, sizeof(block))) > 0) {
        for (ssize_t done = 0, w; done < n; done += w) {
            w = write(to, block + done, (size_t)(n - done));
            if (w < 0)
                return source_error(source,
                                    "cannot copy it to a temporary file: %s (TMPDIR says where)",
                                    strerror(errno));
        }
        source->file_bytes += (uint64_t)n;
    }
    return n == 0 || source_error(source, "cannot read it: %s", strerror(errno));
}

/* What can be read only once, as a temporary file; takes over fd. */
static int spool(struct source *source, int fd)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int temp;

    snprintf(path, sizeof(path), "%s/evendraw-XXXXXX", folder && *folder ? folder : "/tmp");
    temp = mkostemp(path, O_CLOEXEC);
    if (temp < 0) {
        source_error(source, "cannot make a temporary file in %s: %s", path, strerror(errno));
    } else {
        unlink(path);
        if (!copy_all(source, fd, temp) || lseek(temp, 0, SEEK_SET) < 0) {
            close(temp);
            temp = -1;
        }
    }
    close(fd);
    return temp;
}

static int open_file(struct source *source)
{
    bool standard = strcmp(source->path, "-") == 0;
    int fd = standard ? dup(STDIN_FILENO) : open(source->path, O_RDONLY | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0) {
        source_error(source, "cannot open it: %s", strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
        source_error(source, "is a folder: name a file with labels");
    } else if (S_ISREG(info.st_mode) && lseek(fd, 0, SEEK_CUR) == 0) {
        source->file_bytes = (uint64_t)info.st_size;
        return fd;
    } else {
        return spool(source, fd);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool has_suffix(const char *path, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && strncasecmp(path + len - n, suffix, n) == 0;
}

/* The format, by the first bytes and the name; and that both agree. */
static bool detect(struct source *source)
{
    size_t len = strlen(source->path);
    bool gz = has_suffix(source->path, len, ".gz");
    unsigned char head[4] = {0};
    int n = source_bytes(source, head, sizeof(head));
    bool idx = n == 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 &&
               head[3] >= 1 && head[3] <= 8;

    if (n < 0)
        return false;
    if (n == 0)
        return source_error(source, "is empty");
    if (gz && gzdirect(source->gz))
        return source_error(source, "its name says gzip, but it is not compressed: rename it, or "
                                    "get it again");
    len -= gz ? 3 : 0;
    if (source->format == SOURCE_AUTO && source->column == NULL && idx)
        source->format = SOURCE_IDX;
    else if (source->format == SOURCE_AUTO &&
             (source->column || has_suffix(source->path, len, ".csv") ||
              has_suffix(source->path, len, ".tsv") || has_suffix(source->path, len, ".tab")))
        source->format = SOURCE_CSV;
    else if (source->format == SOURCE_AUTO &&
             (has_suffix(source->path, len, ".idx") || has_suffix(source->path, len, "-ubyte")))
        source->format = SOURCE_IDX;
    else if (source->format == SOURCE_AUTO)
        source->format = SOURCE_LINES;
    if (source->format == SOURCE_IDX && !idx)
        return source_error(source,
                            "should be IDX, but begins with %02x %02x %02x %02x: is it another "
                            "kind of file (--format)?",
                            head[0], head[1], head[2], head[3]);
    if (source->format != SOURCE_IDX && idx)
        return source_error(source, "is an IDX file, not text: leave --format and --column out");
    if (source->delimiter == '\0')
        source->delimiter =
            has_suffix(source->path, len, ".tsv") || has_suffix(source->path, len, ".tab") ? '\t'
                                                                                           : ',';
    return true;
}

bool source_open(struct source *source)
{
    int fd = open_file(source);

    source->started = source->shown = now();
    if (fd < 0)
        return false;
    source->gz = gzdopen(fd, "rb");
    if (source->gz == NULL) {
        close(fd);
        return source_error(source, "no memory to read it");
    }
    gzbuffer(source->gz, 256 * 1024);
    if (detect(source))
        return true;
    source_close(source);
    return false;
}

void source_close(struct source *source)
{
    if (source->gz != NULL)
        gzclose(source->gz);
    source->gz = NULL;
}

bool source_read(struct source *source, label_sink *sink, void *arg)
{
    bool ok;

    if (gzrewind(source->gz) < 0)
        return source_error(source, "cannot read it again from its beginning");
    source->line = 0;
    source->samples = 0;
    source->started = now();
    if (source->format == SOURCE_IDX)
        ok = source_read_idx(source, sink, arg);
    else if (source->format == SOURCE_CSV)
        ok = source_read_csv(source, sink, arg);
    else
        ok = source_read_lines(source, sink, arg);
    show_progress(source, true);
    return ok;
}
