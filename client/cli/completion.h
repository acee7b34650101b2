/* For the completion of shells. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

/*
 * Prints a line for each option and argument of each command: COMMAND, a tab, WORD, a tab, VALUES.
 * WORD is --OPTION, --OPTION= if it takes a value, or the place of an argument, from 1 on. VALUES
 * are the values it may have, or say what to offer: @files, or names that the daemon knows,
 * @datasets,
 * @jobs, @strategies and @parameters (of the strategy that was chosen); nothing if any text may
 * come.
 */
void print_completion(void);

#endif
