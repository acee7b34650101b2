/*
 * What all formats share: opening a file, reading its bytes, passes, progress, messages. Called by
 * load.c, load_classes.c, load_send.c and features.c, and from below by the formats, source_NAME.c.
 * Which format a file has is source_kind.c's.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "print.h"

static void print_place(const struct source *source, const char *kind)
{
    progress_clear();
    fprintf(stderr, "evendraw: %s%s", kind,
            strcmp(source->path, "-") == 0 ? "standard input" : source->path);
    if (source->line > 0)
        fprintf(stderr, ", line %llu", (unsigned long long)source->line);
    fputs(": ", stderr);
}

static char *format_text(const char *format, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, format, ap) < 0)
        return NULL;
    text_clean(text);
    return text;
}

bool source_error(struct source *source, const char *format, ...)
{
    va_list ap;
    char *text;

    va_start(ap, format);
    text = format_text(format, ap);
    va_end(ap);
    print_place(source, "");
    fprintf(stderr, "%s\n", text ? text : "no memory");
    free(text);
    source->cli->status = EXIT_INPUT;
    return false;
}

void source_note(struct source *source, const char *format, ...)
{
    va_list ap;
    char *text;

    if (source->noted)
        return;
    va_start(ap, format);
    text = format_text(format, ap);
    va_end(ap);
    print_place(source, "");
    fprintf(stderr, "%s\n", text ? text : "no memory");
    free(text);
}

void source_warn(struct source *source, const char *format, ...)
{
    json_t *warnings = json_object_get(source->about, "warnings");
    va_list ap;
    char *text;

    va_start(ap, format);
    text = format_text(format, ap);
    va_end(ap);
    print_place(source, "warning: ");
    fprintf(stderr, "%s\n", text ? text : "no memory");
    if (text && !warnings) {
        warnings = json_array();
        source_tell(source, "warnings", warnings);
    }
    if (text)
        json_array_append_new(warnings, json_string(text));
    free(text);
}

void source_tell(struct source *source, const char *key, json_t *value)
{
    if (value)
        json_object_set_new(source->about, key, value);
}

/* ---- progress ---- */

static void show_progress(struct source *source)
{
    char line[512];
    int n;

    n = snprintf(line, sizeof(line), "%s %s samples, ", source->doing, text_count(source->samples));
    if (source->gz)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "%s of %s, ",
                      text_bytes((uint64_t)gzoffset(source->gz)), text_bytes(source->file_bytes));
    snprintf(line + n, sizeof(line) - (size_t)n, "%s/s: %s",
             text_count((uint64_t)((double)source->samples / progress_seconds(&source->progress))),
             source->path);
    progress_line(line);
}

void source_progress(struct source *source)
{
    if (progress_due(&source->progress))
        show_progress(source);
}

int source_bytes(struct source *source, void *bytes, unsigned size)
{
    int n = gzread(source->gz, bytes, size), error = Z_OK;

    if (n <= 0) {
        const char *why = gzerror(source->gz, &error);
        if (n < 0 || error != Z_OK)
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

bool source_write(struct source *source, int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, at + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return source_error(source,
                                "cannot copy it to a temporary file: %s (TMPDIR says where)",
                                strerror(errno));
        done += (size_t)n;
    }
    return true;
}

static bool copy_all(struct source *source, int from, int to)
{
    char block[65536];
    ssize_t n;

    while ((n = read(from, block, sizeof(block))) > 0) {
        if (!source_write(source, to, block, (size_t)n))
            return false;
        source->file_bytes += (uint64_t)n;
    }
    return n == 0 || source_error(source, "cannot read it: %s", strerror(errno));
}

int source_temporary(struct source *source)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int temp;

    snprintf(path, sizeof(path), "%s/evendraw-XXXXXX", folder && *folder ? folder : "/tmp");
    temp = mkostemp(path, O_CLOEXEC);
    if (temp < 0)
        source_error(source, "cannot make a temporary file in %s: %s", path, strerror(errno));
    else
        unlink(path);
    return temp;
}

/* What can be read only once, as a temporary file; takes over fd. */
static int spool(struct source *source, int fd)
{
    int temp = source_temporary(source);

    if (temp >= 0 && (!copy_all(source, fd, temp) || lseek(temp, 0, SEEK_SET) < 0)) {
        close(temp);
        temp = -1;
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

static bool is_folder(const char *path)
{
    struct stat info;

    return strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool source_open(struct source *source)
{
    int fd;

    progress_begin(&source->progress);
    source->about = json_object();
    if (!source->format && !source->column && is_folder(source->path))
        source->format = source_of_folders();
    if (source->format && source->format->folder && is_folder(source->path))
        return true;
    fd = open_file(source);
    if (fd >= 0)
        source->gz = gzdopen(fd, "rb");
    if (fd >= 0 && !source->gz) {
        close(fd);
        source_error(source, "no memory to read it");
    }
    if (source->gz) {
        gzbuffer(source->gz, 256 * 1024);
        if (source_detect(source) && (!source->format->open || source->format->open(source)))
            return true;
    }
    source_close(source);
    return false;
}

void source_close(struct source *source)
{
    if (source->gz)
        gzclose(source->gz);
    source->gz = NULL;
    json_decref(source->about);
    source->about = NULL;
    for (uint32_t c = 0; source->classes && c < source->class_count; c++)
        free(source->classes[c]);
    free(source->classes);
    source->classes = NULL;
}

static bool rewind_all(struct source *source)
{
    if (source->gz && gzrewind(source->gz) < 0)
        return source_error(source, "cannot read it again from its beginning");
    source->line = 0;
    source->samples = 0;
    progress_begin(&source->progress);
    return true;
}

/* A compressed file whose last bytes are missing has given all its labels by then. */
static bool at_end(struct source *source)
{
    char more;
    int n = source->gz ? source_bytes(source, &more, 1) : 0;

    return n == 0 || (n > 0 && source_error(source, "was not read to its end"));
}

bool source_read(struct source *source, label_sink *sink, void *arg)
{
    bool ok = rewind_all(source) && source->format->read(source, sink, arg) && at_end(source);

    progress_clear();
    source->noted = source->noted || ok;
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
    ok = rewind_all(source) && source->format->read_numbers(source, sink, arg) && at_end(source);
    progress_clear();
    return ok;
}
