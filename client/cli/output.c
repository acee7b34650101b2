/* Files that commands write (output.h). Called by the commands that draw: confusion, threshold. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a file, whole ---- */

/* To a stream, which it closes; false with errno. */
static bool write_to(FILE *out, output_writer *write, const json_t *answer)
{
    bool failed;

    if (!out)
        return false;
    write(out, answer);
    failed = fflush(out) != 0 || ferror(out);
    return fclose(out) == 0 && !failed;
}

/* What is written to instead of opening it: who opens /dev/stdout, where that is a file, begins at
 * its beginning, over which the rest of the output goes. */
static bool is_stdout(const struct stat *there)
{
    struct stat output;

    return fstat(STDOUT_FILENO, &output) == 0 && output.st_dev == there->st_dev &&
           output.st_ino == there->st_ino;
}

static FILE *open_stdout(void)
{
    int fd = dup(STDOUT_FILENO);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

    if (!out && fd >= 0)
        close(fd);
    return out;
}

/* A new file that is as the one there was: whose it is, and who may do what with it. */
static FILE *open_beside(const char *beside, const struct stat *before)
{
    FILE *out = fopen(beside, "wx");
    int why;

    if (!out || !before)
        return out;
    if (((before->st_uid == geteuid() && before->st_gid == getegid()) ||
         fchown(fileno(out), before->st_uid, before->st_gid) == 0) &&
        fchmod(fileno(out), before->st_mode & 07777) == 0)
        return out;
    why = errno;
    fclose(out);
    unlink(beside);
    errno = why;
    return NULL;
}

/* Beside the file and then in its place. False with errno. */
static bool replace(const char *path, const struct stat *before, output_writer *write,
                    const json_t *answer)
{
    char beside[4096];
    FILE *out;
    int why;

    if (snprintf(beside, sizeof(beside), "%s.%ld.partial", path, (long)getpid()) >=
        (int)sizeof(beside)) {
        errno = ENAMETOOLONG;
        return false;
    }
    out = open_beside(beside, before);
    if (!out)
        return false;
    if (write_to(out, write, answer) && rename(beside, path) == 0)
        return true;
    why = errno;
    unlink(beside);
    errno = why;
    return false;
}

/* A folder, or the file's owner, has it that nothing can be put in its place. */
static bool cannot_replace(int why)
{
    return why == EACCES || why == EPERM || why == EROFS || why == ENAMETOOLONG;
}

/* As `>` would: who may not write to a file does not replace it either. */
static bool may_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && close(fd) == 0;
}

/* False with errno. */
static bool write_file(const char *path, output_writer *write, const json_t *answer)
{
    struct stat before, at;
    bool there = lstat(path, &before) == 0;

    if (stat(path, &at) == 0 && is_stdout(&at))
        return write_to(open_stdout(), write, answer);
    if (there && (!S_ISREG(before.st_mode) || before.st_nlink > 1))
        return write_to(fopen(path, "w"), write, answer);
    if (there && !may_write(path))
        return false;
    if (replace(path, there ? &before : NULL, write, answer))
        return true;
    return cannot_replace(errno) && write_to(fopen(path, "w"), write, answer);
}

bool output_write(struct cli *cli, const char *path, output_writer *write, const json_t *answer)
{
    bool done = write_file(path, write, answer);

    if (!done && errno == EACCES && access(path, F_OK) == 0)
        cli_error(cli, EXIT_INPUT,
                  "cannot write %s: it is write-protected: make it writable, or name another file",
                  path);
    else if (!done)
        cli_error(cli, EXIT_INPUT, "cannot write %s: %s", path, strerror(errno));
    return done;
}

/* ---- text ---- */

void csv_text(FILE *out, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* U+FFFE and U+FFFF, which names may hold, are none of XML's. */
void xml_text(FILE *out, const char *text, size_t letters)
{
    for (; *text != '\0'; text++) {
        bool begins = ((unsigned char)*text & 0xC0) != 0x80;

        if (begins && letters-- == 0) {
            fputs("…", out);
            return;
        }
        if (strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0) {
            fputs("&#xFFFD;", out);
            text += 2;
        } else if (*text == '&') {
            fputs("&amp;", out);
        } else if (*text == '<') {
            fputs("&lt;", out);
        } else if (*text == '>') {
            fputs("&gt;", out);
        } else {
            fputc(*text, out);
        }
    }
}

void svg_begin(FILE *out, double wide, double high)
{
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
            "<text x=\"12\" y=\"20\" font-size=\"14\" font-weight=\"bold\">",
            wide, high, wide, high);
}

void svg_whose(FILE *out, const json_t *answer, size_t letters)
{
    xml_text(out, field_text(answer, "job"), letters);
    if (json_object_get(answer, "epoch"))
        fprintf(out, ", epoch %" PRIu64, field_u64(answer, "epoch"));
}
