/* The daemon's messages in the words of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "client/cli/words.h"

static void becomes(const char *message, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    words_print(out, message);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void methods_are_commands(void **state)
{
    (void)state;
    becomes("there is no dataset \"x\": dataset.list shows what there is",
            "there is no dataset \"x\": `evendraw datasets` shows what there is");
    becomes("there is no job \"x\": job.list shows what there is",
            "there is no job \"x\": `evendraw job ls` shows what there is");
    becomes("there are a, b (strategy.list explains them)",
            "there are a, b (`evendraw strategies` explains them)");
    becomes("it is gone: see dataset.list.", "it is gone: see `evendraw datasets`.");
}

static void method_in_front_is_left_out(void **state)
{
    (void)state;
    becomes("stream.open: \"window\" is at most 256", "\"window\" is at most 256");
    becomes("stream.open: job \"x\" is ranked: job.list says so",
            "job \"x\" is ranked: `evendraw job ls` says so");
    becomes("job.preview needs \"job\"", "`evendraw preview` needs \"job\"");
}

static void all_else_stays(void **state)
{
    (void)state;
    becomes("", "");
    becomes("no such job", "no such job");
    becomes("there is no job \"job.list\"", "there is no job \"job.list\"");
    becomes("cannot write /srv/job.list: disk full", "cannot write /srv/job.list: disk full");
    becomes("my-job.list and job.lists", "my-job.list and job.lists");
    becomes("nothing came by job.report", "nothing came by job.report");
    becomes("caf\xc3\xa9: job.list", "caf\xc3\xa9: `evendraw job ls`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_commands),
        cmocka_unit_test(method_in_front_is_left_out),
        cmocka_unit_test(all_else_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
