/*
 * A job core driven by lines of text. A trace is a file of commands; under each, indented, what the
 * job did. Running the commands must give the file back, so a trace reads as a specification.
 */
#ifndef TESTS_JOB_TRACE_H
#define TESTS_JOB_TRACE_H

/* Runs the commands of a trace; returns the whole trace as it came out, to be freed. */
char *trace_run(const char *text);

#endif
