/*
 * The log: lines on standard error, for whoever runs the daemon. Whoever logs never waits: a thread
 * writes, and while nobody takes what it writes, lines wait in memory (LOG_BYTES of them), further
 * ones are dropped and counted, and the count stands in the log where they are missing.
 */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include "proto/error.h"

#define LOG_BYTES (1u << 20)

/* Starts the thread. Before it, log_line writes by itself. */
int log_start(struct evd_error *err) MUST_CHECK;
/* One line, escaped (text_escape), since it may hold a peer's bytes. Any thread. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Before the process ends: waits until all lines are written, so many milliseconds at most. */
void log_end(unsigned milliseconds);

#endif
