/*
 * `evendraw --completion`: what deploy/completion/evendraw.bash can offer, as the table of commands
 * has it. Called by main.c.
 */
#include "completion.h"

#include "commands.h"

static void print_command(const struct command *command)
{
    const struct cli_option *option;
    char name[COMMAND_NAME];
    unsigned place = 0;

    command_name(command, name);
    for (size_t i = 0; (option = command_option(command, i)); i++) {
        const char *words = option->words ? option->words : "";

        if (option->name)
            printf("%s\t--%s%s\t%s\n", name, option->name, option->value ? "=" : "", words);
        else
            printf("%s\t%u\t%s\n", name, ++place, words);
    }
    for (const struct argp_option *common = common_options; common->name; common++)
        printf("%s\t--%s%s\t\n", name, common->name, common->arg ? "=" : "");
    printf("%s\t--help\t\n%s\t--usage\t\n", name, name); /* argp's own */
}

void print_completion(void)
{
    for (size_t i = 0; i < command_count; i++)
        print_command(&commands[i]);
}
