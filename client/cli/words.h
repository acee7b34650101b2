/*
 * The daemon's messages name its methods; who types commands reads commands.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdio.h>

/* Writes a message of the daemon: "job.list shows ..." as "`evendraw job ls` shows ...", and
 * without the method that it may begin with ("stream.open: ..."). */
void words_print(FILE *out, const char *message);

#endif
