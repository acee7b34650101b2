#include "retained.h"

#include <inttypes.h>
#include <stdio.h>

void retained_note(struct retained *retained, const json_t *batch, uint32_t rank, uint32_t world)
{
    struct retained_step *step = &retained->steps[retained->count++ % RETAINED_STEPS];

    json_decref(step->index);
    *step = (struct retained_step){.generation = (uint32_t)integer(batch, "generation"),
                                   .rank = rank,
                                   .world = world,
                                   .epoch = (uint64_t)integer(batch, "epoch"),
                                   .step = (uint64_t)integer(batch, "step"),
                                   .index = json_incref(json_object_get(batch, "index"))};
}

void retained_follow(struct retained *retained, struct peer *peer)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    uint64_t epoch = (uint64_t)integer(json_object_get(info, "acked"), "epoch");

    if (retained->epochs > 0 && epoch > retained->since + retained->epochs)
        retained->since = epoch - retained->epochs;
    json_decref(info);
}

/* What came back in a restart was not handed out, as far as the daemon knows. */
static void check_refusal(struct retained *retained, const struct retained_step *step, int64_t code)
{
    if (code == EVD_E_BAD_VALUE)
        return;
    assert_int_equal(code, EVD_E_NOT_FOUND);
    assert_true(step->epoch < retained->since);
    retained->forgotten++;
}

void retained_compare(struct retained *retained, struct peer *peer, uint32_t which)
{
    const struct retained_step *step = &retained->steps[which % RETAINED_STEPS];
    char ranks[64] = "";
    json_t *answer;
    uint32_t id;

    if (!step->index)
        return;
    retained_follow(retained, peer);
    if (step->world > 0)
        snprintf(ranks, sizeof(ranks), ", 'rank': %" PRIu32 ", 'world_size': %" PRIu32, step->rank,
                 step->world);
    id = peer_send(peer, "job.batch",
                   "[{'job': 'j', 'generation': %" PRIu32 ", 'epoch': %" PRIu64 ", 'step': %" PRIu64
                   "%s}]",
                   step->generation, step->epoch, step->step, ranks);
    answer = peer_answer(peer, id);
    if (json_is_null(json_array_get(answer, 1))) {
        assert_true(json_equal(json_object_get(json_array_get(answer, 2), "index"), step->index));
        retained->compared++;
    } else {
        check_refusal(retained, step,
                      json_integer_value(json_array_get(json_array_get(answer, 1), 0)));
    }
    json_decref(answer);
}

void retained_free(struct retained *retained)
{
    for (uint32_t i = 0; i < RETAINED_STEPS; i++)
        json_decref(retained->steps[i].index);
}
