/*
 * Numbers as people and JSON see them: no more digits than it takes to read the same number back.
 */
#ifndef PROTO_DECIMAL_H
#define PROTO_DECIMAL_H

/* "0.28", "1", "1e-7": of any finite number, with a point in every locale. */
#define DECIMAL_TEXT 32
const char *decimal_text(double number, char text[DECIMAL_TEXT]);
/* The same for the numbers with a fraction or an exponent in JSON text, in place. */
void decimal_shorten(char *json);

#endif
