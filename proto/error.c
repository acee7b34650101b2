/*
 * Errors on their way to a peer or a user. Called wherever something is refused.
 */
#include "proto/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "proto/text.h"

/* Text that may hold a peer's bytes, made fit to print and to send: what is no UTF-8 character, or
 * a control character or rules the text behind it, becomes '?'. A character cut in half by the end
 * of the field goes. */
static void tidy(char *text, size_t size)
{
    size_t len = strlen(text), i = 0;

    while (i < len) {
        size_t n = utf8_length(text + i, len - i);

        if (n == 0 && len == size - 1 && len - i < 4 && (unsigned char)text[i] >= 0xc0) {
            text[i] = '\0';
            return;
        }
        if (n == 0)
            n = 1;
        else if (!utf8_control(text + i) && !utf8_override(text + i)) {
            i += n;
            continue;
        }
        memset(text + i, '?', n);
        i += n;
    }
}

int(error_set)(struct evd_error *err, int code, const char *detail, const char *format, ...)
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

int error_no_memory(struct evd_error *err)
{
    return error_set(
        err, EVD_E_NO_MEMORY, "",
        "the daemon has no memory left for this: drop what is not needed, or try again");
}

int error_given_up(struct evd_error *err)
{
    return error_set(err, EVD_E_SHUTTING_DOWN, "",
                     "given up: the daemon is stopping, or the connection that asked has ended");
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
