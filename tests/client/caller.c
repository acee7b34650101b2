#include "caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake.h"

evd_client *connected(struct fake *fake, int time_limit_ms, int reconnect_ms)
{
    evd_client_options options = {.time_limit_ms = time_limit_ms, .reconnect_ms = reconnect_ms};
    evd_client *client;

    assert_int_equal(evd_connect(fake->address, &options, &client), EVD_OK);
    return client;
}

evd_stream *opened(evd_client *client, uint32_t flags)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *stream;

    options.job = "train";
    options.flags = flags;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    return stream;
}
