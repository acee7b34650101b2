/* The table of commands against the table of methods, and against itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "client/cli/commands.h"
#include "proto/methods.h"

static const struct method_desc *method_of(const char *name)
{
    int method = method_find(name, strlen(name));

    if (method < 0)
        fail_msg("no method %s", name);
    return &method_table[method];
}

static bool has_field(const struct method_desc *method, const char *name)
{
    for (uint32_t i = 0; i < method->field_count; i++) {
        if (strcmp(method->fields[i].name, name) == 0)
            return true;
    }
    return false;
}

/* What an option puts into a call is a parameter of the method; every method that is named is one.
 */
static void parameters_are_the_methods(void **state)
{
    (void)state;
    for (size_t c = 0; c < command_count; c++) {
        const struct command *command = &commands[c];
        const struct cli_option *option;

        for (size_t i = 0; command->methods[i]; i++)
            assert_non_null(method_of(command->methods[i]));
        for (size_t i = 0; (option = command_option(command, i)); i++) {
            if (option->param && command->methods[0] &&
                !has_field(method_of(command->methods[0]), option->param))
                fail_msg("%s has no parameter %s", command->methods[0], option->param);
        }
    }
}

/* No two options of a command have the same name or letter. */
static void options_differ(void **state)
{
    (void)state;
    for (size_t c = 0; c < command_count; c++) {
        const struct cli_option *a, *b;

        for (size_t i = 0; (a = command_option(&commands[c], i)); i++) {
            for (size_t k = 0; k < i && (b = command_option(&commands[c], k)); k++) {
                assert_false(a->name && b->name && strcmp(a->name, b->name) == 0);
                assert_false(a->letter && a->letter == b->letter);
            }
        }
    }
}

/* What completion is to ask for is something it knows how to. */
static void completion_knows_what_to_ask(void **state)
{
    static const char *const known[] = {"@datasets", "@jobs", "@strategies", "@parameters",
                                        "@files"};

    (void)state;
    for (size_t c = 0; c < command_count; c++) {
        const struct cli_option *option;

        for (size_t i = 0; (option = command_option(&commands[c], i)); i++) {
            bool found = !option->words || option->words[0] != '@';

            for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
                found = found || strcmp(option->words, known[k]) == 0;
            assert_true(found);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_the_methods),
        cmocka_unit_test(options_differ),
        cmocka_unit_test(completion_knows_what_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
