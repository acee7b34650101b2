/*
 * What a text is, by its first lines: where these are surely no labels, reading them would make a
 * class of every line. The message says what was seen and which option reads it. Called by
 * source_kind.c, where --format does not say what the file is.
 */
#include "source_guess.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LINES_SEEN 100u /* lines that are looked at */

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* Past a byte order mark and what is blank. */
static const char *skip_blank(const char *text)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    return text + strspn(text, " \t\r\n");
}

/* ---- documents ---- */

static bool is_arff(const char *text)
{
    while (*text == '%') { /* comments */
        text += strcspn(text, "\n");
        text = skip_blank(text);
    }
    return begins(text, "@relation");
}

/* "[" and a value, or "{" and a line's end: label files have no such lines. */
static bool is_json(const char *text)
{
    const char *next = skip_blank(text + (*text != '\0'));

    if (*text == '[')
        return *next != '\0' && strchr("[{\"]-0123456789", *next);
    return *text == '{' && (*next == '"' || *next == '}');
}

bool guess_text(struct source *source, const char *head)
{
    static const struct {
        const char *begins, *what;
    } documents[] = {{"<?xml", "XML"},
                     {"<annotation", "XML"},
                     {"<!DOCTYPE html", "an HTML page (was a download refused?)"},
                     {"<html", "an HTML page (was a download refused?)"},
                     {"<!DOCTYPE", "XML"}};
    const char *text = skip_blank(head);

    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (begins(text, documents[i].begins))
            return source_error(source, "is %s: write the labels as CSV, or one a line",
                                documents[i].what);
    }
    if (is_arff(text))
        return source_error(source,
                            "is ARFF: sed '1,/@data/Id' FILE | evendraw load NAME - --format csv "
                            "--no-header --column -1 loads its last column");
    if (is_json(text))
        return source_error(source, "is a JSON document: JSON is read with one object a line; jq "
                                    "-c '.[]' FILE makes that of an array");
    return true;
}

/* ---- tables ---- */

struct line {
    const char *text;
    size_t len;
};

/* The whole lines of the head that are not empty, at most LINES_SEEN. */
static size_t cut_lines(const char *head, bool cut, struct line *lines)
{
    size_t count = 0;

    for (const char *at = skip_blank(head); *at != '\0' && count < LINES_SEEN;) {
        size_t len = strcspn(at, "\n");
        const char *next = at + len + (at[len] != '\0');

        if (at[len] == '\0' && cut)
            break;
        while (len > 0 && (at[len - 1] == '\r' || at[len - 1] == ' ' || at[len - 1] == '\t'))
            len--;
        if (len > 0)
            lines[count++] = (struct line){at, len};
        at = next;
    }
    return count;
}

static size_t count_of(const struct line *line, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < line->len; i++)
        count += line->text[i] == c;
    return count;
}

/* Has every line as many of this character as the first, and that one has some? */
static bool all_hold(const struct line *lines, size_t count, char c)
{
    size_t wanted = count_of(&lines[0], c);

    for (size_t i = 1; i < count; i++) {
        if (count_of(&lines[i], c) != wanted)
            return false;
    }
    return wanted > 0;
}

static size_t words_of(const struct line *line)
{
    size_t words = 0;

    for (size_t i = 0; i < line->len; i++)
        words += !isblank((unsigned char)line->text[i]) &&
                 (i == 0 || isblank((unsigned char)line->text[i - 1]));
    return words;
}

/* The first or the last word of a line. */
static struct line word_of(const struct line *line, bool last)
{
    size_t from = 0, to = 0;

    if (last) {
        for (from = line->len; from > 0 && !isblank((unsigned char)line->text[from - 1]);)
            from--;
        to = line->len;
    } else {
        while (to < line->len && !isblank((unsigned char)line->text[to]))
            to++;
    }
    return (struct line){line->text + from, to - from};
}

/* "a/1", "1.jpg": folders, or a name with an ending that is no number. */
static bool is_path(struct line word)
{
    const char *dot = memrchr(word.text, '.', word.len);
    size_t ending = dot ? (size_t)(word.text + word.len - dot) - 1 : 0;

    if (memchr(word.text, '/', word.len))
        return word.len > 1;
    return dot > word.text && ending >= 1 && ending <= 5 && isalpha((unsigned char)dot[1]);
}

static bool is_number(struct line word)
{
    size_t digits = 0;

    for (size_t i = 0; i < word.len; i++) {
        digits += isdigit((unsigned char)word.text[i]) != 0;
        if (!strchr("+-.eE0123456789", word.text[i]))
            return false;
    }
    return digits > 0;
}

/* Of every line of several words: is its first (or last) one such? */
static bool all_words(const struct line *lines, size_t count, bool last, bool (*is)(struct line))
{
    for (size_t i = 0; i < count; i++) {
        if (words_of(&lines[i]) < 2 || !is(word_of(&lines[i], last)))
            return false;
    }
    return count > 0;
}

static bool refuse_line(struct source *source, const struct line *line, const char *what)
{
    return source_error(source,
                        "looks like %s, not one label a line; its first line is '%.*s%s' (--format "
                        "lines if each line is a label)",
                        what, (int)(line->len > 60 ? 60 : line->len), line->text,
                        line->len > 60 ? "..." : "");
}

/* A line with the number of rows, the names, then rows of one word more, as CelebA's tables. */
static bool is_counted(const struct line *lines, size_t count)
{
    size_t names = count >= 3 ? words_of(&lines[1]) : 0,
           cells = count >= 3 ? words_of(&lines[2]) : 0;

    if (count < 3 || strspn(lines[0].text, "0123456789") < lines[0].len || cells < 2 ||
        (cells != names && cells != names + 1))
        return false;
    for (size_t i = 3; i < count; i++) {
        if (words_of(&lines[i]) != cells)
            return false;
    }
    return true;
}

bool guess_lines(struct source *source, const char *head, bool cut)
{
    struct line lines[LINES_SEEN] = {{0}};
    size_t n = cut_lines(head, cut, lines);

    if (n == 0)
        return true;
    if (all_hold(lines, n, '\t'))
        return refuse_line(source, &lines[0],
                           "a table with tabs: --format tsv, --column and perhaps --no-header "
                           "read it");
    if (all_words(lines, n, false, is_path))
        return refuse_line(source, &lines[0],
                           "a list of paths and labels: -d blank --no-header -c -1 reads the last "
                           "word of each line");
    if (all_words(lines, n, true, is_path))
        return refuse_line(source, &lines[0],
                           "a list of labels and paths: -d blank --no-header -c 1 reads the first "
                           "word of each line");
    if (all_hold(lines, n, ','))
        return refuse_line(source, &lines[0],
                           "rows of CSV: --format csv, --column (a name, or a number from either "
                           "end) and perhaps --no-header read it");
    if (all_hold(lines, n, ';'))
        return refuse_line(source, &lines[0],
                           "rows of a table: -d ';', --column and perhaps --no-header read it");
    if (is_counted(lines, n))
        return refuse_line(source, &lines[1],
                           "a table with its number of rows in front: -d blank and --column with "
                           "one of its names read it");
    if (all_words(lines, n, false, is_number) && all_words(lines, n, true, is_number))
        return refuse_line(source, &lines[0],
                           "a table of numbers: -d blank --no-header and --column with a number "
                           "from either end read it");
    return true;
}
