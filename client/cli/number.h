/* Numbers as label files spell them, of any size: compared exactly, without a type that holds them.
 */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

struct number {
    const char
        *digits;     /* in the text: its first digit that is not 0, and where its last one ends; */
    const char *end; /* a point may stand between */
    long exponent;   /* the value is 0.DIGITS * 10^exponent; 0 for 0 */
    bool negative;   /* never of 0 */
    bool padded;     /* written with zeros in front, such as 007 */
};

/* Is the whole text a decimal number, such as 7, +7, -1.50 or 1e3? The number points into the text.
 */
bool number_parse(const char *text, struct number *number);
/* Less than 0, 0, more than 0: a is less than b, the same, more. */
int number_compare(const struct number *a, const struct number *b);
bool number_is_whole(const struct number *number);
/* In the shortest form without an exponent; false if that takes (about) `size` bytes or more, or if
 * the number is smaller than 0.0001. */
bool number_text(const struct number *number, char *text, size_t size);

#endif
