/*
 * What all formats share: opening a file, telling its format, reading its bytes, progress,
 * messages. Called by load_classes.c and load_send.c, and from below by the formats, source_NAME.c.
 */
#include "source.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "print.h"

bool source_error(struct source *source, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr); /* over the progress */
    fprintf(stderr, "evendraw: %s",
            strcmp(source->path, "-") == 0 ? "standard input" : source->path);
    if (source->line > 0)
        fprintf(stderr, ", line %llu", (unsigned long long)source->line);
    fputs(": ", stderr);
    va_start(ap, format);
    if (vasprintf(&text, format, ap) >= 0) {
        text_clean(text);
        fputs(text, stderr);
        free(text);
    }
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
    char line[512];
    int n;

    if (!isatty(STDERR_FILENO) || (!end && t - source->shown < 0.2))
        return;
    source->shown = t;
    fputs("\r\033[K", stderr);
    if (end)
        return;
    n = snprintf(line, sizeof(line), "%s %s samples, ", source->doing, text_count(source->samples));
    if (source->gz)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "%s of %s, ",
                      text_bytes((uint64_t)gzoffset(source->gz)), text_bytes(source->file_bytes));
    snprintf(line + n, sizeof(line) - (size_t)n, "%s/s: %s",
             text_count((uint64_t)((double)source->samples / (t - source->started + 1e-6))),
             source->path);
    /* Where it fills a line, the next one could not go over it. */
    print_padded(stderr, line, terminal_width(stderr) - 1);
}

void source_progress(struct source *source)
{
    show_progress(source, false);
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
    source_progress(source);
    return n;
}

/* gzread fills what it is asked for unless the file ends. */
bool source_header(struct source *source, void *bytes, unsigned size)
{
    int n = source_bytes(source, bytes, size);

    if (n == (int)size)
        return true;
    return n >= 0 && source_error(source, "ends within its header: the file is cut off");
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
        source_error(source, "is a folder, where a file is needed");
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

/* ---- which format ---- */

#define SOURCE_ADDRESS(name) &source_##name,
static const struct source_format *const formats[] = {SOURCE_FORMATS(SOURCE_ADDRESS) NULL};
#undef SOURCE_ADDRESS

const struct source_format *source_format_named(const char *name)
{
    for (const struct source_format *const *at = formats; *at; at++) {
        const char *alias = (*at)->alias;

        if (strcmp((*at)->name, name) == 0 || (alias && strcmp(alias, name) == 0))
            return *at;
    }
    return NULL;
}

static bool has_suffix(const char *text, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && strncasecmp(text + len - n, suffix, n) == 0;
}

static bool is_compressed(const struct source *source)
{
    return has_suffix(source->path, strlen(source->path), ".gz");
}

bool source_has_suffix(const struct source *source, const char *suffix)
{
    return has_suffix(source->path, strlen(source->path) - (is_compressed(source) ? 3 : 0), suffix);
}

static bool has_suffix_of(const struct source *source, const struct source_format *format)
{
    for (size_t i = 0; format->suffixes[i]; i++) {
        if (source_has_suffix(source, format->suffixes[i]))
            return true;
    }
    return false;
}

/* What the first bytes say; NULL: text. */
static const struct source_format *by_content(const unsigned char *head)
{
    for (const struct source_format *const *at = formats; *at; at++) {
        if ((*at)->sniff && (*at)->sniff(head))
            return *at;
    }
    return NULL;
}

/* What the column or the name says of a file. */
static const struct source_format *by_name(const struct source *source)
{
    const struct source_format *const *at = formats;

    while (*at && (source->column ? !(*at)->columns : !has_suffix_of(source, *at)))
        at++;
    assert(*at); /* one has columns, and one fits every name */
    return *at;
}

static const struct source_format *of_folders(void)
{
    const struct source_format *const *at = formats;

    while (*at && !(*at)->folder)
        at++;
    assert(*at);
    return *at;
}

/* Do the format and the file's content agree? */
static bool check_format(struct source *source, const unsigned char *head,
                         const struct source_format *content)
{
    const struct source_format *format = source->format;

    if (format == content || (!format->sniff && !content))
        return true;
    if (format->sniff)
        return source_error(source,
                            "should be %s, but begins with %02x %02x %02x %02x: is it another "
                            "kind of file (--format)?",
                            format->title, head[0], head[1], head[2], head[3]);
    return source_error(source, "is an %s file, not text: leave --format and --column out",
                        content->title);
}

/* The format, by the first bytes and the name; and that both agree. */
static bool detect(struct source *source)
{
    unsigned char head[4] = {0};
    int n = source_bytes(source, head, sizeof(head));
    const struct source_format *content = by_content(head);

    if (n < 0)
        return false;
    if (n == 0)
        return source_error(source, "is empty");
    if (is_compressed(source) && gzdirect(source->gz))
        return source_error(source, "its name says gzip, but it is not compressed: rename it, or "
                                    "get it again");
    if (n == 4 && memcmp(head, "PK\3\4", 4) == 0)
        return source_error(source, "is a zip archive (.npz?): store one array with numpy.save, "
                                    "or unpack the file with the labels");
    if (n >= 2 && (memcmp(head, "\xff\xfe", 2) == 0 || memcmp(head, "\xfe\xff", 2) == 0))
        return source_error(source, "is text in UTF-16: make it UTF-8, with iconv -f UTF-16 -t "
                                    "UTF-8 FILE");
    if (!source->format)
        source->format = content && !source->column ? content : by_name(source);
    if (source->format->folder)
        return source_error(source, "is a file, but --format says %s", source->format->name);
    return check_format(source, head, content);
}

static bool is_folder(const char *path)
{
    struct stat info;

    return strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool source_open(struct source *source)
{
    int fd;

    source->started = source->shown = now();
    if (!source->format && !source->column && is_folder(source->path))
        source->format = of_folders();
    if (source->format && source->format->folder && is_folder(source->path))
        return true;
    fd = open_file(source);
    if (fd < 0)
        return false;
    source->gz = gzdopen(fd, "rb");
    if (!source->gz) {
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
    if (source->gz)
        gzclose(source->gz);
    source->gz = NULL;
}

static bool rewind_all(struct source *source)
{
    if (source->gz && gzrewind(source->gz) < 0)
        return source_error(source, "cannot read it again from its beginning");
    source->line = 0;
    source->samples = 0;
    source->started = now();
    return true;
}

bool source_read(struct source *source, label_sink *sink, void *arg)
{
    bool ok = rewind_all(source) && source->format->read(source, sink, arg);

    show_progress(source, true);
    return ok;
}

/* ---- numbers ---- */

struct number_classes {
    struct source *source;
    number_sink *sink;
    void *arg;
};

static bool pass_number(void *arg, const char *text, size_t len)
{
    struct number_classes *numbers = arg;
    char copy[64], *end;
    double value;

    if (len == 0)
        return source_error(numbers->source, "a number is missing: every sample needs one, those "
                                             "without a label too");
    snprintf(copy, sizeof(copy), "%.*s", (int)(len < sizeof(copy) ? len : sizeof(copy)), text);
    value = strtod(copy, &end);
    if (len >= sizeof(copy) || *end != '\0')
        return source_error(numbers->source, "'%s' is not a number", copy);
    return numbers->sink(numbers->arg, value);
}

bool source_read_numbers(struct source *source, number_sink *sink, void *arg)
{
    struct number_classes numbers = {source, sink, arg};
    bool ok;

    if (!source->format->read_numbers)
        return source_read(source, pass_number, &numbers);
    ok = rewind_all(source) && source->format->read_numbers(source, sink, arg);
    show_progress(source, true);
    return ok;
}
