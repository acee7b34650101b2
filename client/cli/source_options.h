/*
 * How the file of a source is read, as options of a command. Used by load.c and folds.c.
 */
#ifndef CLI_SOURCE_OPTIONS_H
#define CLI_SOURCE_OPTIONS_H

#include "options.h"
#include "source.h"

void source_parse_format(const struct given *given);
void source_parse_delimiter(const struct given *given);
void source_parse_quote(const struct given *given);
/* Was any of them given? */
bool source_options_given(const struct source *source);

#define SOURCE_FORMAT_WORD(name) " " #name

/* Rows of a command's options, whose fields are of `type` and have the source as `member`. */
#define SOURCE_OPTIONS(type, member)                                                               \
    {"format",                                                                                     \
     'f',                                                                                          \
     "FORMAT",                                                                                     \
     SOURCE_FORMAT_NAMES " (default: by content)",                                                 \
     source_parse_format,                                                                          \
     FIELD(type, member),                                                                          \
     .words = &SOURCE_FORMATS(SOURCE_FORMAT_WORD)[1]},                                             \
        {"delimiter",                                                                              \
         'd',                                                                                      \
         "CHARACTER",                                                                              \
         "Tables: between the cells, one character, tab, or blank for runs of blanks and tabs "    \
         "(default: by suffix)",                                                                   \
         source_parse_delimiter,                                                                   \
         FIELD(type, member.delimiter)},                                                           \
        {"no-header", 0,                                                                           \
         NULL,        "Tables: the first line is a sample",                                        \
         option_flag, FIELD(type, member.no_header)},                                              \
    {                                                                                              \
        "quote", 'q', "double|none",                                                               \
            "Tables: whether \"quoted\" cells may hold delimiters, quotes and line ends "          \
            "(default: double, as RFC 4180 has it), or a quote is a character like others",        \
            source_parse_quote, FIELD(type, member.quote), .words = "double none"                  \
    }

#endif
