/*
 * Counts what the buffers of connections hold, gives back what is idle, and chooses who is closed
 * when it is too much (memory.h). Called by conn.c and net.c.
 */
#include "net/memory.h"

#include <assert.h>
#include <stdlib.h>
#include "net/internal.h"

/* Unwritten output that each may have, however little there is for all. */
#define LEAST_OUTPUT (16u << 10)

/* ---- counting ---- */

/* How much of a buffer has ever been filled since it was reserved. */
static size_t filled(const struct evd_buf *buf, size_t *most)
{
    if (!buf->data)
        *most = 0;
    else if (buf->len > *most)
        *most = buf->len;
    return *most;
}

void memory_note(struct net_conn *conn)
{
    struct net_held *held = &conn->held;
    size_t now;

    if (conn->state == CONN_CLOSED)
        return;
    now = filled(&conn->input, &held->input) + filled(conn->output.buf, &held->output) +
          filled(&conn->flight, &held->flight);
    conn->net->held += now - held->all;
    held->all = now;
}

void memory_swap(struct net_conn *conn)
{
    size_t output = conn->held.output;

    conn->held.output = conn->held.flight;
    conn->held.flight = output;
}

void memory_leave(struct net_conn *conn)
{
    assert(conn->net->held >= conn->held.all);
    conn->net->held -= conn->held.all;
    conn->held.all = 0;
}

bool memory_is_tight(const struct net *net)
{
    return net->held > net->config.buffers / 2;
}

/* ---- back-pressure ---- */

size_t memory_unwritten(const struct net_conn *conn)
{
    return conn->output.buf->len + *conn->output.in_flight;
}

static bool is_full(const struct net_conn *conn)
{
    return memory_unwritten(conn) > *conn->output.full_at;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Where memory is tight each may have its share, and a small part of what is left but for an
 * eighth, so that whoever does not read leaves enough for those that do. */
static size_t full_at(const struct net *net)
{
    size_t limit = net->config.buffers, usable = limit - limit / 8, most;

    if (!memory_is_tight(net))
        return net->config.high_water;
    most = least(limit / 4 / (net->connections + 1u), (usable - least(net->held, usable)) / 16);
    return least(most > LEAST_OUTPUT ? most : LEAST_OUTPUT, net->config.high_water);
}

/* With how much unwritten output it is not read. A worker may have to get rid of what it says of
 * its batches before it reads; whoever else asks for more than it takes has to wait. */
static size_t stop_at(const struct net_conn *conn, size_t unwritten)
{
    const struct net_config *config = &conn->net->config;
    size_t more = 0;

    if (conn->preferred)
        more = config->high_water;
    return least(unwritten + more, config->most);
}

void memory_pressure(struct net_conn *conn)
{
    size_t n = memory_unwritten(conn);

    /* The bound of who is below it may move, since then nobody has been told that it is full. */
    if (conn->pressure == PRESSURE_NONE && !is_full(conn))
        *conn->output.full_at = full_at(conn->net);
    if (conn->pressure == PRESSURE_NONE && is_full(conn)) {
        conn->pressure = PRESSURE_FULL;
        conn->stop_at = stop_at(conn, n);
    }
    if (conn->pressure == PRESSURE_FULL && n >= conn->stop_at) {
        conn->pressure = PRESSURE_STOPPED;
        uv_read_stop(&conn->socket.stream);
    }
}

/* ---- giving back ---- */

static void give_back(struct evd_buf *buf)
{
    if (buf->len > 0 || buf->map_count > 0)
        return;
    free(buf->data);
    buf->data = NULL;
    buf->cap = 0;
}

void memory_tidy(struct net_conn *conn, uint64_t now)
{
    size_t queued;

    if (conn->state == CONN_CLOSED)
        return;
    queued = uv_stream_get_write_queue_size(&conn->socket.stream);
    if (queued != conn->held.queued) /* a part of a write was taken */
        conn->moved = now;
    conn->held.queued = queued;
    if (now - conn->moved < NET_IDLE_MS)
        return;
    give_back(&conn->input);
    give_back(conn->output.buf);
    if (!conn->writing)
        give_back(&conn->flight);
    memory_note(conn);
}

/* ---- too much ---- */

/* Who may go first: the idle, then others; workers that do their work come last. */
static unsigned rank(const struct net_conn *conn)
{
    const struct net_events *events = &conn->net->config.events;
    bool idle = uv_now(conn->net->config.loop) - conn->moved >= NET_IDLE_MS;
    bool working = conn->preferred && events->working(events->arg, conn->session);

    return (working ? 0u : 2u) + (idle ? 1u : 0u);
}

/* Whoever holds no more than its share of what there may be is safe. Somebody holds more, since all
 * together do. */
struct net_conn *memory_heaviest(struct net *net)
{
    size_t share = net->config.buffers / (net->connections + net->refused + 1u);
    struct net_conn *conn, *found = NULL;
    unsigned found_rank = 0;

    if (net->held <= net->config.buffers)
        return NULL;
    TAILQ_FOREACH(conn, &net->conns, link) {
        unsigned conn_rank;

        if (conn->state == CONN_CLOSED || conn->held.all <= share)
            continue;
        conn_rank = rank(conn);
        if (!found || conn_rank > found_rank ||
            (conn_rank == found_rank && conn->held.all > found->held.all)) {
            found = conn;
            found_rank = conn_rank;
        }
    }
    return found;
}
