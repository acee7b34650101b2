/*
 * The specification of the job core, as traces. Each *.trace beside this file is run; the result
 * must be the file itself. `test_job_traces FILE...` prints what comes out instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "trace.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    if (!file || getdelim(&text, &size, '\0', file) < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    fclose(file);
    return text;
}

static void test_trace(void **state)
{
    char path[512];
    char *expected, *result;

    snprintf(path, sizeof(path), "%s/%s.trace", TRACE_DIR, (const char *)*state);
    expected = read_file(path);
    result = trace_run(expected);
    assert_string_equal(result, expected);
    assert_int_equal(fake_plans(), 0);
    free(result);
    free(expected);
}

#define TRACE(name)                                                                                \
    {                                                                                              \
        name, test_trace, NULL, NULL, (void *)(uintptr_t)name                                      \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TRACE("shared"),        TRACE("lost-worker"),  TRACE("epoch-end"),
        TRACE("drained"),       TRACE("ranked"),       TRACE("acknowledge"),
        TRACE("confirm"),       TRACE("update-now"),   TRACE("update-later"),
        TRACE("update-ranked"), TRACE("update-fails"), TRACE("back-pressure"),
        TRACE("restore"),       TRACE("leases"),       TRACE("resume"),
        TRACE("holding"),       TRACE("at-most-once"), TRACE("seek"),
        TRACE("worlds"),        TRACE("failing"),      TRACE("exclusive"),
        TRACE("last-epoch"),    TRACE("failing-seek"),
    };

    for (int i = 1; i < argc; i++) {
        char *text = read_file(argv[i]), *result = trace_run(text);

        fputs(result, stdout);
        free(result);
        free(text);
    }
    return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
