/* The caller's side of a test against the scripted daemon of fake.h: with its first two answers. */
#ifndef TESTS_CLIENT_CALLER_H
#define TESTS_CLIENT_CALLER_H

#include <evendraw.h>

struct fake;

/* Time limits as in evd_client_options. */
evd_client *connected(struct fake *fake, int time_limit_ms, int reconnect_ms);
/* A stream of the job "train". */
evd_stream *opened(evd_client *client, uint32_t flags);

#endif
