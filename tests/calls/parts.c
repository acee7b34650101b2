/* Datasets with parts, and epochs of jobs on them (parts.h). */
#include "parts.h"

#include <stdio.h>
#include <string.h>

char parts_clean[17], parts_cv[17];

static void attach(struct peer *peer, char digest[17], const char *name, const char *as,
                   const char *rows)
{
    json_t *answer = attached_make(peer, name, as, rows, "");

    snprintf(digest, 17, "%s", text(answer, "digest"));
    json_decref(answer);
}

struct peer *parts_begin(struct harness *h)
{
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    attach(peer, parts_clean, "clean", AS_KEPT, KEPT);
    attach(peer, parts_cv, "cv", AS_FOLDS, FOLDS);
    return peer;
}

int64_t uses_of(struct peer *peer, const char *name)
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]"), *one;
    int64_t uses = -1;
    size_t i;

    json_array_foreach(json_object_get(answer, "attachments"), i, one)
    {
        if (strcmp(text(one, "name"), name) == 0)
            uses = integer(one, "uses");
    }
    json_decref(answer);
    return uses;
}

unsigned set_of(const json_t *batch)
{
    const json_t *index = json_object_get(batch, "index"), *one;
    unsigned set = 0;
    size_t i;

    json_array_foreach(index, i, one)
    {
        unsigned sample = 1u << json_integer_value(one);

        assert_int_equal(set & sample, 0);
        set |= sample;
    }
    return set;
}

json_t *take(struct peer *peer)
{
    json_t *batch = NULL, *other;

    while (!(batch = peer_note(peer, "batch")) && (other = peer_next(peer)))
        json_decref(other);
    assert_non_null(batch);
    return batch;
}

unsigned an_epoch(struct peer *peer, const char *job, int steps)
{
    json_t *opened = peer_call(peer, "stream.open", "[{'job': '%s', 'window': 1}]", job);
    int stream = (int)integer(opened, "stream");
    unsigned set = 0;

    assert_int_equal(integer(opened, "steps"), steps);
    for (int step = 0; step < steps; step++) {
        json_t *batch = take(peer);
        unsigned some = set_of(batch);

        assert_int_equal(integer(batch, "step"), step);
        assert_int_equal(set & some, 0);
        set |= some;
        peer_do(peer, "stream.ack", "[{'stream': %d, 'epoch': %d, 'step': %d}]", stream,
                (int)integer(batch, "epoch"), step);
        json_decref(batch);
    }
    peer_do(peer, "stream.close", "[{'stream': %d}]", stream);
    peer_forget(peer);
    json_decref(opened);
    return set;
}
