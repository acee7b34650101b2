/*
 * The order of turns. Of what is readable, connections that come first (net_conn_prefer) are served
 * at once; all others share a little time of each turn of the loop, and who comes when that is used
 * up is put off, to be served in that order, when all that come first were looked at once more.
 * While somebody comes first who is at work, others have a quarter of the time at most: what takes
 * long is followed by TURN_REST times as long without them. conn.c and listener.c ask; the loop
 * calls.
 */
#include "net/turn.h"

#include <assert.h>
#include "net/internal.h"

/* For how long others wait, in ns: for nothing but those who are at work. */
static uint64_t others_wait(const struct turn *turn, uint64_t now)
{
    uint64_t idle_at = turn->heard + TURN_ACTIVE_NS;
    uint64_t until = turn->others_at < idle_at ? turn->others_at : idle_at;

    return now < until ? until - now : 0;
}

static bool used_up(const struct turn *turn)
{
    return turn->spent >= TURN_NS || turn->frames >= TURN_FRAMES;
}

bool turn_begin(struct net *net, struct net_conn *conn, bool behind)
{
    struct turn *turn = &net->turn;
    uint64_t now = uv_hrtime();

    if (conn && conn->preferred)
        turn->heard = now;
    else if ((!conn || conn->state <= CONN_SERVING) &&
             (behind || used_up(turn) || others_wait(turn, now) > 0))
        return false;
    turn->began = now;
    return true;
}

void turn_spend(struct net *net, uint64_t began)
{
    net->turn.spent += uv_hrtime() - began;
}

void turn_end(struct net *net, struct net_conn *conn)
{
    if (!conn || !conn->preferred)
        turn_spend(net, net->turn.began);
}

bool turn_goes_on(const struct net_conn *conn, uint32_t frames)
{
    const struct turn *turn = &conn->net->turn;
    uint64_t spent = uv_hrtime() - turn->began;

    if (!conn->preferred) {
        spent += turn->spent;
        frames += turn->frames;
    }
    return spent < TURN_NS && frames < TURN_FRAMES;
}

void turn_count(struct net *net, const struct net_conn *conn, uint32_t frames)
{
    if (!conn || !conn->preferred)
        net->turn.frames += frames;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* that it is there keeps the loop awake */
}

void turn_put_off(struct net *net, struct net_conn *conn)
{
    struct turn *turn = &net->turn;

    uv_idle_start(&turn->idle, on_idle);
    if (!conn || conn->later)
        return;
    conn->later = conn->preferred ? &turn->first : &turn->others;
    TAILQ_INSERT_TAIL(conn->later, conn, later_link);
}

void turn_forget(struct net_conn *conn)
{
    if (conn->later)
        TAILQ_REMOVE(conn->later, conn, later_link);
    conn->later = NULL;
}

static void go_on(struct net_conn *conn)
{
    assert(conn->state != CONN_CLOSED);
    turn_forget(conn);
    turn_begin(conn->net, conn, false);
    conn_take_turn(conn);
    turn_end(conn->net, conn);
}

/* Each once: whoever has still more is behind the others again. */
static void serve_first(struct turn *turn)
{
    struct net_conn *conn;
    uint32_t waiting = 0;

    TAILQ_FOREACH(conn, &turn->first, later_link)
        waiting++;
    while (waiting-- > 0 && (conn = TAILQ_FIRST(&turn->first)))
        go_on(conn);
}

/* In turn, until their time is used up: somebody new at the door, and those who were put off. */
static void serve_others(struct net *net)
{
    struct turn *turn = &net->turn;
    struct net_listener *listener;
    struct net_conn *conn;
    uint32_t waiting = 0;

    TAILQ_FOREACH(listener, &net->listeners, link) {
        if (listener->put_off)
            listener_accept(listener);
    }
    TAILQ_FOREACH(conn, &turn->others, later_link)
        waiting++;
    while (waiting-- > 0 && !used_up(turn) && (conn = TAILQ_FIRST(&turn->others)))
        go_on(conn);
}

static bool anybody_waits(const struct net *net)
{
    const struct net_listener *listener;

    if (!TAILQ_EMPTY(&net->turn.first) || !TAILQ_EMPTY(&net->turn.others))
        return true;
    TAILQ_FOREACH(listener, &net->listeners, link) {
        if (listener->put_off)
            return true;
    }
    return false;
}

static void on_rested(uv_timer_t *timer)
{
    struct net *net = timer->data;

    uv_idle_start(&net->turn.idle, on_idle);
}

/* Where only others wait, and for long, the loop sleeps meanwhile: the processor is perhaps the
 * worker's. The timer counts in milliseconds, and is early rather than late. */
static void rest(struct turn *turn)
{
    uint64_t ms;

    if (!uv_is_active((uv_handle_t *)&turn->idle) || !TAILQ_EMPTY(&turn->first))
        return;
    ms = others_wait(turn, uv_hrtime()) / 1000000;
    if (ms == 0)
        return;
    uv_idle_stop(&turn->idle);
    uv_timer_start(&turn->rest, on_rested, ms, 0);
}

static void on_check(uv_check_t *check)
{
    struct net *net = check->data;
    struct turn *turn = &net->turn;
    uint64_t now;

    if (uv_is_active((uv_handle_t *)&turn->idle)) {
        serve_first(turn);
        if (others_wait(turn, uv_hrtime()) == 0)
            serve_others(net);
        net_flush(net);
        if (!anybody_waits(net))
            uv_idle_stop(&turn->idle);
    }
    if (turn->spent > 0) {
        now = uv_hrtime();
        turn->others_at = now + TURN_REST * turn->spent;
    }
    turn->spent = 0;
    turn->frames = 0;
    rest(turn);
}

uint32_t turn_init(struct net *net)
{
    struct turn *turn = &net->turn;

    TAILQ_INIT(&turn->first);
    TAILQ_INIT(&turn->others);
    uv_idle_init(net->config.loop, &turn->idle); /* none of these can fail */
    uv_timer_init(net->config.loop, &turn->rest);
    uv_check_init(net->config.loop, &turn->check);
    uv_check_start(&turn->check, on_check);
    uv_unref((uv_handle_t *)&turn->check);
    turn->check.data = turn->idle.data = turn->rest.data = net;
    return 3;
}

static void on_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

void turn_close(struct net *net)
{
    uv_close((uv_handle_t *)&net->turn.check, on_closed);
    uv_close((uv_handle_t *)&net->turn.idle, on_closed);
    uv_close((uv_handle_t *)&net->turn.rest, on_closed);
}
