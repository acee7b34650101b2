/*
 * Numbers as label files spell them. Labels are numbers of any size, so that none is converted:
 * what is compared are their digits. Called by labels.c.
 */
#include "number.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EXPONENT_DIGITS 9 /* of an exponent: more is text */
#define ZEROS_MOST      3 /* behind the point: what is smaller has an exponent, as in Python */

/* After e or E: the exponent; NULL if it is none, else its end. */
static const char *parse_exponent(const char *at, long *exponent)
{
    const char *digits = at + (*at == '+' || *at == '-');
    size_t n = strspn(digits, "0123456789");

    if (n == 0 || n > EXPONENT_DIGITS)
        return NULL;
    *exponent = strtol(at, NULL, 10);
    return digits + n;
}

bool number_parse(const char *text, struct number *number)
{
    const char *whole = text + (*text == '+' || *text == '-'), *point, *at;
    size_t before = strspn(whole, "0123456789"), after = 0;
    long exponent = 0;

    point = whole + before;
    at = point;
    if (*at == '.') {
        after = strspn(at + 1, "0123456789");
        at += 1 + after;
    }
    if (before + after == 0)
        return false;
    *number = (struct number){.digits = whole, .end = at};
    if (*at == 'e' || *at == 'E')
        at = parse_exponent(at + 1, &exponent);
    if (!at || *at != '\0')
        return false;
    number->padded = before > 1 && *whole == '0';
    while (number->digits < number->end && strchr("0.", *number->digits))
        number->digits++;
    while (number->end > number->digits && strchr("0.", number->end[-1]))
        number->end--;
    if (number->digits == number->end)
        return true;
    number->negative = *text == '-';
    /* How far the point stands behind the first digit, or, negative, in front of it. */
    number->exponent = exponent + (long)(point - number->digits) + (number->digits > point);
    return true;
}

static bool is_zero(const struct number *number)
{
    return number->digits == number->end;
}

/* The next digit, past a point; '\0' behind the last one. */
static char next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        ++*at;
    return *at < end ? *(*at)++ : '\0';
}

static int compare_magnitudes(const struct number *a, const struct number *b)
{
    const char *x = a->digits, *y = b->digits;
    char c, d;

    if (is_zero(a) || is_zero(b))
        return is_zero(b) - is_zero(a);
    if (a->exponent != b->exponent)
        return a->exponent > b->exponent ? 1 : -1;
    do {
        c = next_digit(&x, a->end);
        d = next_digit(&y, b->end);
    } while (c == d && c != '\0');
    return (c > d) - (c < d);
}

int number_compare(const struct number *a, const struct number *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

static long count_digits(const struct number *number)
{
    return (long)(number->end - number->digits) -
           (memchr(number->digits, '.', (size_t)(number->end - number->digits)) != NULL);
}

bool number_is_whole(const struct number *number)
{
    return is_zero(number) || count_digits(number) <= number->exponent;
}

bool number_text(const struct number *number, char *text, size_t size)
{
    long digits = count_digits(number), exponent = number->exponent;
    long before = exponent > 0 ? exponent : 0; /* of the point */
    long behind = digits > exponent ? digits - exponent : 0;
    const char *at = number->digits;

    if (exponent < -ZEROS_MOST || (size_t)(before + behind) + 4 > size)
        return false;
    if (number->negative)
        *text++ = '-';
    if (before == 0)
        *text++ = '0';
    for (long i = 0; i < before; i++)
        *text++ = i < digits ? next_digit(&at, number->end) : '0';
    if (behind > 0)
        *text++ = '.';
    for (long i = 0; i < behind; i++)
        *text++ = i < -exponent ? '0' : next_digit(&at, number->end);
    *text = '\0';
    return true;
}
