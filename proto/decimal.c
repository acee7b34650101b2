/*
 * Numbers as text, in as few digits as are exact (decimal.h). Called by the library where it makes
 * JSON of an answer, and by the command line where it prints.
 */
#include "proto/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "1e+22" and "1e-07" are 1e22 and 1e-7. */
static void trim_exponent(char *text)
{
    char *e = strchr(text, 'e'), *from;

    if (!e)
        return;
    from = e + 1;
    e += 1 + (*from == '-');
    from += strspn(from, "+-");
    from += strspn(from, "0");
    memmove(e, from, strlen(from) + 1);
}

/* In the C locale. 15 digits are always enough for a decimal number of 15 digits, 17 for any
 * double; the smallest ones need fewer. */
static void shortest(double number, char text[DECIMAL_TEXT])
{
    for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, DECIMAL_TEXT, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    trim_exponent(text);
    if (strcmp(text, "-0") == 0) /* a whole number has no such zero */
        strcpy(text, "-0.0");
}

const char *decimal_text(double number, char text[DECIMAL_TEXT])
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", NULL), before = c ? uselocale(c) : NULL;

    shortest(number, text);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    return text;
}

/* The end of the string that begins with the quote at `at`. */
static const char *string_end(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += *at == '\\' && at[1];
    return *at ? at + 1 : at;
}

static void shorten(char *to)
{
    const char *from = to;

    while (*from) {
        size_t len = strspn(from, "-+.eE0123456789");
        bool number = len > 0 && strchr("-0123456789", *from);
        char text[DECIMAL_TEXT];

        if (*from == '"')
            len = (size_t)(string_end(from) - from);
        else if (!number)
            len = 1; /* "true", "null" and "false" go letter by letter */
        else if (strspn(from, "-0123456789") < len) {
            shortest(strtod(from, NULL), text);
            if (strlen(text) <= len) {
                memcpy(to, text, strlen(text));
                to += strlen(text);
                from += len;
                continue;
            }
        }
        memmove(to, from, len);
        to += len;
        from += len;
    }
    *to = '\0';
}

void decimal_shorten(char *json)
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", NULL), before;

    if (!c)
        return; /* what it says is right, only longer */
    before = uselocale(c);
    shorten(json);
    uselocale(before);
    freelocale(c);
}
