/* Plans from recorded strategies (plan.h). Called by whoever loads jobs or draws again. */
#include "replay/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "codec/strategy.h"

int plan_error(int code, const struct sampler_error *refused, struct evd_error *err)
{
    if (code == PLAN_NO_MEMORY)
        return error_no_memory(err);
    if (code == PLAN_CANCELLED)
        return error_given_up(err);
    return error_set(err, code == PLAN_LIMIT ? EVD_E_LIMIT : EVD_E_STRATEGY, refused->detail, "%s",
                     refused->message);
}

void plan_input_attach(struct plan_input *input, int param, const struct attachment *attachment)
{
    switch (attachment->form.kind) {
    case ATTACHMENT_NEIGHBOURS:
        input->tables[strategy_table(input->strategy->kind, param)] = (struct plan_table){
            attachment_neighbours(attachment), attachment->form.width, attachment->form.by_class};
        break;
    case ATTACHMENT_SELECTION:
        input->from = (struct plan_from){.kept = attachment_kept(attachment)};
        break;
    case ATTACHMENT_FOLDS:
        input->from = (struct plan_from){.folds = attachment_folds(attachment),
                                         .count = attachment->form.width};
        break;
    }
}

bool plan_means(const struct strategy_value *value, const struct attachment *attachment)
{
    return strcmp(attachment->name, value->text) == 0 &&
           (attachment->digest == value->digest || attachment->damage);
}

bool plan_hold(struct plan_held **held, struct attachment *attachment)
{
    struct plan_held *one = malloc(sizeof(*one));

    if (!one)
        return false;
    *one = (struct plan_held){attachment, *held};
    attachment->uses++;
    *held = one;
    return true;
}

bool plan_hold_same(const struct plan_held *held, struct plan_held **out)
{
    *out = NULL;
    for (; held; held = held->next) {
        if (!plan_hold(out, held->attachment)) {
            plan_release(out);
            return false;
        }
    }
    return true;
}

void plan_release(struct plan_held **held)
{
    while (*held) {
        struct plan_held *one = *held;

        *held = one->next;
        assert(one->attachment->uses > 0);
        one->attachment->uses--;
        free(one);
    }
}

size_t plan_held_memory(const struct plan_held *held)
{
    size_t bytes = 0;

    for (; held; held = held->next)
        bytes += sizeof(*held);
    return bytes;
}

/* What a recorded strategy names that is attached to the dataset. */
static int find_attached(const struct plan_base *base, struct plan_input *input,
                         struct evd_error *err)
{
    const struct strategy *strategy = input->strategy;

    for (int i = strategy_next_attached(strategy, -1); i >= 0;
         i = strategy_next_attached(strategy, i)) {
        const struct strategy_value *value = &strategy->values[i];
        const struct plan_held *held = base->held;

        while (held && !plan_means(value, held->attachment))
            held = held->next;
        if (!held)
            return error_set(err, EVD_E_STORE, value->text,
                             "attachment \"%s\" that it was made with is not in the database any "
                             "more: restore the file from a backup, or drop the job and create it "
                             "anew",
                             value->text);
        if (held->attachment->damage)
            return error_set(err, EVD_E_STORE, value->text, "%s", held->attachment->damage);
        plan_input_attach(input, i, held->attachment);
    }
    return EVD_OK;
}

static int build(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                 uint32_t number, bool older_rules, struct plan **out, struct evd_error *err)
{
    struct sampler_error refused;
    struct strategy decoded;
    struct plan_input input = {
        .index = &base->dataset->index,
        .strategy = &decoded,
        .seed = base->seed,
        .revision = number,
        .batch_size = base->batch_size,
        .last_batch = base->last_batch,
        .older_rules = older_rules,
        .budget = base->budget,
        .cancel = base->cancel,
    };
    int code;

    if (strategy_decode_bytes(strategy, strategy_bytes, base->dataset, &decoded, err) != EVD_OK)
        return err->code;
    input.weights = strategy_column(&decoded, base->dataset);
    code = find_attached(base, &input, err);
    if (code == EVD_OK) {
        code = plan_build(out, &input, &refused);
        code = code == PLAN_OK ? EVD_OK : plan_error(code, &refused, err);
    }
    strategy_fini(&decoded);
    return code;
}

int revision_build(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                   uint32_t number, struct plan **out, struct evd_error *err)
{
    return build(base, strategy, strategy_bytes, number, false, out, err);
}

/* A plan that is recorded is drawn as it was recorded. Which rules it was made by is told by its
 * digest alone, so the older ones are tried where today's do not lead to it. */
int revision_plan(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                  uint32_t number, uint64_t digest, struct plan **out, struct evd_error *err)
{
    struct evd_error why = {0};
    bool built = false;

    for (int older = 0; older < 2; older++) {
        int code = build(base, strategy, strategy_bytes, number, older, out, &why);

        if (code == EVD_OK && plan_digest(*out) == digest)
            return EVD_OK;
        if (code == EVD_OK)
            plan_unref(*out);
        *out = NULL;
        built |= code == EVD_OK;
        if (code != EVD_OK && code != EVD_E_STRATEGY)
            break;
    }
    if (!built || (why.code != EVD_OK && why.code != EVD_E_STRATEGY)) {
        *err = why;
        return why.code;
    }
    return error_set(err, EVD_E_STORE, "digest",
                     "revision %u would not draw what it drew before (the digest of its plan is "
                     "another in the database, after damage or a change of version): drop the job "
                     "and create it anew",
                     number);
}
