#include "proto/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that may hold a peer's bytes, made fit to print: no control characters, and no UTF-8
 * character cut in half by the end of the field. */
static void tidy(char *text, size_t size)
{
    size_t len = strnlen(text, size - 1);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
    if (len == size - 1) {
        while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
            len--;
        if (len > 0 && (unsigned char)text[len - 1] >= 0xc0)
            len--;
    }
    text[len] = '\0';
}

int error_set(struct evd_error *err, int code, const char *detail, const char *format, ...)
{
    va_list ap;

    err->code = code;
    va_start(ap, format);
    vsnprintf(err->message, sizeof(err->message), format, ap);
    va_end(ap);
    tidy(err->message, sizeof(err->message));
    snprintf(err->detail, sizeof(err->detail), "%s", detail ? detail : "");
    tidy(err->detail, sizeof(err->detail));
    return code;
}

const char *error_name(int code)
{
    switch (code) {
    case EVD_OK:
        return "ok";
#define ERROR_NAME(NAME, number, name)                                                             \
    case EVD_E_##NAME:                                                                             \
        return name;
        EVD_ERRORS(ERROR_NAME)
#undef ERROR_NAME
    default:
        return "unknown";
    }
}
