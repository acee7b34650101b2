/* How the file of a source is read, as options of a command (source_options.h). Called while a
 * command line is parsed. */
#include "source_options.h"

#include <string.h>

#define FORMAT_COMMA(name) ", " #name

void source_parse_format(const struct given *given)
{
    struct source *source = given_field(given);

    source->format = source_format_named(given->text);
    if (!source->format)
        argp_error(given->state, "--format: '%s' is none of %s", given->text,
                   &SOURCE_FORMATS(FORMAT_COMMA)[2]);
    else if (source->format->delimiter)
        source->delimiter = source->format->delimiter;
}

void source_parse_delimiter(const struct given *given)
{
    char *delimiter = given_field(given);
    const char *text = given->text;

    if (strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0)
        *delimiter = '\t';
    else if (strcmp(text, "blank") == 0)
        *delimiter = DELIMITER_BLANK;
    else if (strlen(text) == 1 && text[0] != '"' && text[0] != '\n')
        *delimiter = text[0];
    else
        argp_error(given->state, "--delimiter: give one character, tab or blank");
}

void source_parse_quote(const struct given *given)
{
    enum source_quote *quote = given_field(given);

    if (strcmp(given->text, "none") == 0)
        *quote = QUOTE_NONE;
    else if (strcmp(given->text, "double") == 0)
        *quote = QUOTE_DOUBLE;
    else
        argp_error(given->state, "--quote: '%s' is neither double nor none", given->text);
}

bool source_options_given(const struct source *source)
{
    return source->format || source->delimiter || source->no_header || source->quote;
}
