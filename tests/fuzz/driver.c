/*
 * Runs a fuzz target over its corpus of hex files, without libFuzzer. `--write DIR` writes the
 * inputs to DIR as bytes instead, for libFuzzer to start from.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"

#define LONGEST (1u << 20)

/* Hex digits of a file as bytes; '#' begins a comment. Returns how many, or -1. */
static long read_hex(const char *path, uint8_t *bytes)
{
    FILE *file = fopen(path, "r");
    long n = 0;
    int c, high = -1;

    if (!file)
        return -1;
    while ((c = getc(file)) != EOF && n < (long)LONGEST) {
        if (c == '#') {
            while (c != EOF && c != '\n')
                c = getc(file);
        } else if (isxdigit(c)) {
            int digit = isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;

            if (high >= 0)
                bytes[n++] = (uint8_t)(high << 4 | digit);
            high = high >= 0 ? -1 : digit;
        } else if (!isspace(c)) {
            n = -1;
            break;
        }
    }
    fclose(file);
    return high < 0 ? n : -1;
}

static int write_bytes(const char *dir, const char *name, const uint8_t *bytes, size_t n)
{
    char path[4096];
    FILE *file;
    int failed;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "wb");
    if (!file)
        return -1;
    failed = fwrite(bytes, 1, n, file) != n;
    return fclose(file) != 0 || failed ? -1 : 0;
}

static int run_file(const char *name, const char *to)
{
    uint8_t *bytes = malloc(LONGEST), *exact;
    char path[4096];
    long n;
    int rc = -1;

    snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
    n = bytes ? read_hex(path, bytes) : -1;
    if (n >= 0 && to) {
        rc = write_bytes(to, name, bytes, (size_t)n);
    } else if (n >= 0 && (exact = malloc((size_t)n + 1))) {
        /* A block of its own, so that the sanitizer sees a read past the end. */
        exact = realloc(exact, n > 0 ? (size_t)n : 1);
        memcpy(exact, bytes, (size_t)n);
        rc = LLVMFuzzerTestOneInput(exact, (size_t)n);
        free(exact);
    }
    free(bytes);
    if (rc)
        fprintf(stderr, "%s: cannot be read or written\n", path);
    return rc;
}

int main(int argc, char **argv)
{
    const char *to = argc == 3 && strcmp(argv[1], "--write") == 0 ? argv[2] : NULL;
    DIR *dir = opendir(CORPUS);
    struct dirent *entry;
    int files = 0, failed = 0;

    if (!dir || (argc > 1 && !to)) {
        fprintf(stderr, "usage: %s [--write DIR], with the corpus in %s\n", argv[0], CORPUS);
        return 2;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        files++;
        if (run_file(entry->d_name, to))
            failed++;
    }
    closedir(dir);
    printf("%d inputs, %d failed\n", files, failed);
    return files == 0 || failed > 0;
}
