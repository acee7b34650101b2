/*
 * The daemon's messages, of which some name methods, in the words of the command line. Called by
 * cli.c and pull.c, which print them.
 */
#include "words.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "commands.h"

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '/';
}

static bool is_method(const struct command *command, const char *text, size_t len)
{
    for (const char *const *method = command->methods; *method; method++) {
        if (strlen(*method) == len && strncmp(*method, text, len) == 0)
            return true;
    }
    return false;
}

/* The command for the method whose name is the next `len` bytes. NULL: a method without one
 * (job.report) stays what it is. */
static const struct command *find(const char *text, size_t len)
{
    for (size_t i = 0; i < command_count; i++) {
        if (is_method(&commands[i], text, len))
            return &commands[i];
    }
    return NULL;
}

static size_t name_length(const char *text)
{
    size_t len = 0;

    while (in_name(text[len]))
        len++;
    while (len > 0 && text[len - 1] == '.')
        len--; /* the end of a sentence */
    return len;
}

/* What is in quotes is a name that somebody gave. */
void words_print(FILE *out, const char *message)
{
    size_t len = name_length(message);
    bool quoted = false;

    if (find(message, len) && strncmp(message + len, ": ", 2) == 0)
        message += len + 2;
    while (*message != '\0') {
        const struct command *command;

        len = name_length(message);
        command = quoted ? NULL : find(message, len);
        if (command) {
            char name[COMMAND_NAME];
            fprintf(out, "`evendraw %s`", command_name(command, name));
        } else {
            quoted ^= *message == '"';
            len = len > 0 ? len : 1;
            fwrite(message, 1, len, out);
        }
        message += len;
    }
}
