#include "words.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A method without a command of its own (job.report) stays what it is. */
static const struct word {
    const char *method, *command;
} words[] = {
    {"server.info", "info"},          {"server.backup", "backup"},
    {"strategy.list", "strategies"},  {"dataset.create", "load"},
    {"dataset.append", "load"},       {"dataset.commit", "load"},
    {"dataset.list", "datasets"},     {"dataset.info", "datasets"},
    {"dataset.stats", "stats"},       {"dataset.drop", "dataset rm"},
    {"job.create", "job create"},     {"job.update", "job set"},
    {"job.preview", "preview"},       {"job.list", "job ls"},
    {"job.info", "job info"},         {"job.stats", "job stats"},
    {"job.position", "job position"}, {"job.seek", "job seek"},
    {"job.history", "job history"},   {"job.confusion", "confusion"},
    {"job.workers", "workers"},       {"job.trace", "trace"},
    {"job.batch", "replay"},          {"job.drop", "job rm"},
    {"stream.open", "pull"},
};

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '/';
}

/* The method whose name is the next `len` bytes, or NULL. */
static const struct word *find(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].method) == len && strncmp(words[i].method, text, len) == 0)
            return &words[i];
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

    if (find(message, len) != NULL && strncmp(message + len, ": ", 2) == 0)
        message += len + 2;
    while (*message != '\0') {
        const struct word *word;

        len = name_length(message);
        word = quoted ? NULL : find(message, len);
        if (word != NULL) {
            fprintf(out, "`evendraw %s`", word->command);
        } else {
            quoted ^= *message == '"';
            len = len > 0 ? len : 1;
            fwrite(message, 1, len, out);
        }
        message += len;
    }
}
