/* Numbers as people read them, and text that fits the terminal. Called by all that prints. */
#include "print.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include "proto/text.h"

/* ---- texts ---- */

/* Where the next text goes. */
static char *next_text(void)
{
    static char texts[TEXT_COUNT][TEXT_SIZE];
    static unsigned next;

    return texts[next++ % TEXT_COUNT];
}

const char *text_of(const char *format, ...)
{
    char *text = next_text();
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, TEXT_SIZE, format, ap);
    va_end(ap);
    return text;
}

const char *text_count(uint64_t n)
{
    char digits[24], *text = next_text(), *to = text;
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

const char *text_items(uint64_t n, const char *noun)
{
    size_t len = strlen(noun);
    bool hisses = len > 1 && (noun[len - 1] == 's' || strcmp(noun + len - 2, "ch") == 0);

    return text_of("%s %s%s", text_count(n), noun, n == 1 ? "" : hisses ? "es" : "s");
}

const char *text_word(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-";
    char word[TEXT_SIZE] = "'";
    size_t len = 1;

    if (*text && *text != '-' && text[strspn(text, plain)] == '\0')
        return text_of("%s", text);
    for (; *text && len < sizeof(word) - 5; text++)
        len += (size_t)sprintf(word + len, *text == '\'' ? "'\\''" : "%c", *text);
    return text_of("%s'", word);
}

const char *text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000)
        return text_of("%u B", (unsigned)bytes);
    while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    return text_of("%.1f %s", value, units[unit]);
}

const char *text_duration(double seconds)
{
    unsigned long s = seconds > 0 && seconds < 1e15 ? (unsigned long)seconds : 0;

    if (s >= 86400)
        return text_of("%lu d %lu h", s / 86400, s / 3600 % 24);
    if (s >= 3600)
        return text_of("%lu h %lu min", s / 3600, s / 60 % 60);
    if (s >= 60)
        return text_of("%lu min %lu s", s / 60, s % 60);
    return text_of("%lu s", s);
}

const char *text_ms(uint64_t ms)
{
    if (ms >= 60000)
        return text_duration((double)ms / 1000);
    return text_of("%g s", (double)ms / 1000);
}

const char *text_time(uint64_t seconds_since_1970)
{
    time_t at = (time_t)seconds_since_1970;
    char *text = next_text();
    struct tm tm;

    if (!localtime_r(&at, &tm) || strftime(text, TEXT_SIZE, "%Y-%m-%d %H:%M", &tm) == 0)
        return "?";
    return text;
}

#define SHARE_DECIMALS 6

const char *text_share(double share, int decimals)
{
    double percent = share * 100, unit = 1; /* what the last decimal counts */
    bool little;

    for (int i = 0; i < decimals; i++)
        unit /= 10;
    little = percent > 0 && percent < unit;
    while (little && percent < unit * 10 && decimals < SHARE_DECIMALS) {
        unit /= 10;
        decimals++;
    }
    if (percent > 0 && percent < unit / 2)
        return text_of("<%.*f %%", decimals, unit);
    return text_of("%.*f %%", decimals, percent);
}

/* ---- terminal ---- */

void text_clean(char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t n = utf8_length(text, left);

        if (n == 0 || utf8_control(text) || utf8_override(text))
            memset(text, '?', n ? n : 1);
        n = n ? n : 1;
        text += n;
        left -= n;
    }
}

void print_json(FILE *out, const char *json)
{
    size_t left = strlen(json);

    while (left > 0) {
        const unsigned char *s = (const unsigned char *)json;
        size_t n = utf8_length(json, left);

        /* Those of ASCII below 0x20 are escaped already; what remains are ends of lines. Of the
         * others none has more than three bytes. */
        n = n > 0 ? n : 1;
        if (n == 3 && utf8_override(json))
            fprintf(out, "\\u%04x", (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu));
        else if (n == 2 && utf8_control(json))
            fprintf(out, "\\u%04x", (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu));
        else if (s[0] == 0x7f)
            fputs("\\u007f", out);
        else
            fwrite(json, 1, n, out);
        json += n;
        left -= n;
    }
}

int terminal_width(FILE *out)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    int width = 0;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    else if (columns)
        width = atoi(columns);
    if (width <= 0)
        return 80;
    return width < 40 ? 40 : width > 400 ? 400 : width;
}

/* Length in bytes and width in columns of the character at text; a byte that is none counts as one.
 */
static size_t character(const char *text, int *width)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t n = mbrtowc(&wide, text, strlen(text), &state);

    if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
        *width = 1;
        return 1;
    }
    *width = wcwidth(wide) > 0 ? wcwidth(wide) : 0;
    return n;
}

int text_width(const char *text)
{
    int total = 0;

    while (*text != '\0') {
        int width;
        text += character(text, &width);
        total += width;
    }
    return total;
}

void print_padded(FILE *out, const char *text, int width)
{
    int room = text_width(text) <= width ? width : width - 3;
    int used = 0;

    while (*text != '\0') {
        int columns;
        size_t n = character(text, &columns);
        if (used + columns > room)
            break;
        fwrite(text, 1, n, out);
        text += n;
        used += columns;
    }
    if (*text != '\0')
        used += fprintf(out, "...");
    fprintf(out, "%*s", width > used ? width - used : 0, "");
}

void print_wrapped(const char *text, int at, int indent)
{
    int width = terminal_width(stdout);

    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        char word[256];

        snprintf(word, sizeof(word), "%.*s", (int)n, text);
        if (at > indent && at + 1 + text_width(word) > width) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            at += printf(" ");
        }
        fputs(word, stdout);
        at += text_width(word);
        text += n + strspn(text + n, " ");
    }
    fputc('\n', stdout);
}

void print_bar(double share, int width)
{
    static const char *const blocks[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool fine = isatty(STDOUT_FILENO) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    int steps = fine ? 8 : 1;
    int filled = (int)(share * width * steps + 0.5);

    if (filled == 0 && share > 0)
        filled = 1; /* little is not nothing */
    for (int i = 0; i < filled / steps; i++)
        fputs(fine ? "█" : "#", stdout);
    fputs(blocks[filled % steps], stdout);
}
