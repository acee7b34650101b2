/* Texts that are something else than their name or the options say, told by their first lines. */
#ifndef CLI_SOURCE_GUESS_H
#define CLI_SOURCE_GUESS_H

#include "source.h"

/* Refuses documents that are neither tables nor lists: XML, HTML, ARFF, JSON other than lines.
 * `head` ends with a NUL. False after a message. */
bool guess_text(struct source *source, const char *head) __attribute__((warn_unused_result));
/* Refuses what is about to be read as one label a line, and is a table or a list of paths; `cut`:
 * the text goes on behind `head`. False after a message. */
bool guess_lines(struct source *source, const char *head, bool cut)
    __attribute__((warn_unused_result));

#endif
