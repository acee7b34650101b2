/* Files that commands write (output.h). Called by the commands that draw: confusion, threshold. */
#include "output.h"

#include <errno.h>
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

/* Beside the file and then in its place, with the rights that the file had. */
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
    out = fopen(beside, "wx");
    if (!out)
        return false;
    if (write_to(out, write, answer) && (!before || chmod(beside, before->st_mode & 07777) == 0) &&
        rename(beside, path) == 0)
        return true;
    why = errno;
    unlink(beside);
    errno = why;
    return false;
}

bool output_write(struct cli *cli, const char *path, output_writer *write, const json_t *answer)
{
    struct stat before;
    bool there = lstat(path, &before) == 0, done;

    if (there && !S_ISREG(before.st_mode))
        done = write_to(fopen(path, "w"), write, answer);
    else
        done = replace(path, there ? &before : NULL, write, answer);
    if (!done)
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
