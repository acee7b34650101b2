#include "retaining.h"

#include "sqlite_fault.h"

static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0, 0, 0, 0, 0, 1, 1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

void retaining_create(struct peer *peer, int retained)
{
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'seed': 5, 'retain_epochs': %d,"
            " 'strategy': " STRATEGY "}]",
            retained, 1);
}

struct peer *retaining_begin(struct harness *h, int retained)
{
    struct peer *peer = peer_new(h);

    load(peer);
    retaining_create(peer, retained);
    return peer;
}

void settle(struct harness *h)
{
    harness_pass(h, 200);
    harness_quiet(h);
    harness_pump(h);
}

json_t *take_batch(struct peer *peer, int64_t epoch, int step)
{
    json_t *batch = NULL, *other, *end = peer_note(peer, "epoch_end");

    if (end)
        peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 1}]");
    json_decref(end);
    while (!(batch = peer_note(peer, "batch")) && (other = peer_next(peer)))
        json_decref(other);
    assert_non_null(batch);
    assert_int_equal(integer(batch, "epoch"), epoch);
    assert_int_equal(integer(batch, "step"), step);
    return batch;
}

void serve(struct peer *peer, int from, int to, json_t *(*batches)[STEPS])
{
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index', 'label']}]");
    for (int epoch = from; epoch < to; epoch++) {
        for (int step = 0; step < STEPS; step++) {
            json_t *batch = take_batch(peer, epoch, step);

            json_decref(batches[epoch][step]);
            batches[epoch][step] = batch;
            if (step == 0)
                peer_do(peer, "job.update",
                        "[{'job': 'j', 'when': 'epoch', 'strategy': " STRATEGY "}]", epoch + 2);
            peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
        }
    }
    peer_forget(peer);
}

void drop_batches(json_t *(*batches)[STEPS])
{
    for (int i = 0; i < EPOCHS * STEPS; i++)
        json_decref(batches[i / STEPS][i % STEPS]);
}

void retaining_query(struct harness *h, const char *sql)
{
    harness_down(h);
    sqlite_query(h->path, sql);
    harness_up(h);
}
