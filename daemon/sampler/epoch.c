/*
 * The epoch engine: a multiset of slots in random order. Class c has slots[c] slots of a pass; a
 * permutation of all slots, one for each pass, gives their order; the ordinal of a slot in its
 * class becomes a member. A slot may take several draws in a row.
 */
#include <assert.h>
#include "sampler/bases.h"
#include "sampler/coverage.h"
#include "sampler/internal.h"
#include "sampler/members.h"

struct epoch_tables {
    struct cuts cuts;          /* of [0, slots of a pass) */
    const uint64_t *kept;      /* ordinals below it are members in permuted order, others uniform */
    const uint64_t *offset;    /* where in the fixed order a class' ordinals begin */
    const struct bases *bases; /* uniform ones take these instead; or NULL */
    const double *shares;
    uint64_t slots;   /* of a pass */
    uint64_t repeats; /* draws of a slot, one behind the other */
    bool plain;       /* every class gives each member once: the order of slots is random enough */
    bool permuted;    /* some ordinals are below kept */
    bool uniform;     /* some are not */
    bool fixed;       /* the same members in every pass, epoch and revision */
};

/* Draw numbers become slots in the order of their pass; second[] keeps the pass, repeat[] which of
 * its slot's draws it is. */
static void order_slots(const struct epoch_tables *tables, const struct draw_step *at,
                        struct draw_block *block)
{
    const uint64_t slots = tables->slots;

    for (uint32_t k = 0; tables->repeats > 1 && k < block->n; k++) {
        uint64_t rest;
        block->draw[k] = divide(block->draw[k], tables->repeats, &rest);
        block->repeat[k] = (uint32_t)rest;
    }
    for (uint32_t k = 0; k < block->n; k++)
        block->second[k] = divide(block->draw[k], slots, &block->draw[k]);
    /* All of one pass, as good as always: it is longer than a block, but for very small datasets.
     */
    for (uint32_t from = 0, to; from < block->n; from = to) {
        uint64_t pass = block->second[from];
        for (to = from + 1; to < block->n && block->second[to] == pass;)
            to++;
        lanes_permute_one(block->draw + from, slots, key_derive(at->epoch_key, KEY_ORDER, pass, 0),
                          to - from, &block->walk);
    }
}

/* Ordinals at or beyond `kept` are drawn uniformly from their class. second[] says which. */
static void members_uniform(const struct plan *plan, const struct epoch_tables *tables,
                            uint64_t key, struct draw_block *block, const uint64_t *ordinal,
                            const uint8_t *free_draw)
{
    lanes_numbers(key, KEY_BOOTSTRAP, ordinal, block->class, block->first, block->second, block->n);
    for (uint32_t k = 0; k < block->n; k++) {
        uint64_t size = class_size(plan->index, block->class[k]);
        uint64_t member = plan->index->start[block->class[k]] + key_below(block->first[k], size);
        block->member[k] = free_draw[k] || !tables->permuted ? member : block->member[k];
        member_prefetch(plan, block->member[k]);
    }
}

/* The same numbers choose among bases. */
static void members_bases(const struct plan *plan, const struct epoch_tables *tables, uint64_t key,
                          struct draw_block *block, const uint64_t *ordinal, const uint64_t *beyond,
                          const uint8_t *free_draw)
{
    lanes_numbers(key, KEY_BOOTSTRAP, ordinal, block->class, block->first, block->second, block->n);
    bases_members(tables->bases, block, beyond, free_draw);
    for (uint32_t k = 0; k < block->n; k++)
        member_prefetch(plan, block->member[k]);
}

/* The order of a class never changes: ordinals beyond its end begin at its start again. */
static void members_fixed(const struct plan *plan, uint64_t key, struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++) {
        block->size[k] = class_size(plan->index, block->class[k]);
        block->repeat[k] = (uint32_t)block->second[k];
        (void)divide(block->member[k], block->size[k], &block->member[k]);
        block->draw[k] = 0;
    }
    lanes_numbers(key, KEY_MEMBER, block->draw, block->class, block->first, block->second,
                  block->n);
    members_finish(plan, block);
}

/* Slots are members, since classes have as many of both. */
static void resolve_plain(const struct plan *plan, const struct epoch_tables *tables,
                          struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++) {
        block->member[k] = block->draw[k];
        member_prefetch(plan, block->member[k]);
        block->class[k] = cuts_find(&tables->cuts, block->draw[k]);
    }
    if (tables->repeats == 1)
        for (uint32_t k = 0; k < block->n; k++)
            block->repeat[k] = (uint32_t)block->second[k];
    else
        for (uint32_t k = 0; k < block->n; k++)
            block->repeat[k] += (uint32_t)(block->second[k] * tables->repeats);
}

static void epoch_resolve(const struct plan *plan, const struct draw_step *at,
                          struct draw_block *block)
{
    const struct epoch_tables *tables = plan->tables;
    const uint64_t *cut = tables->cuts.cut;
    uint64_t ordinal[LANES], beyond[LANES]; /* of those that are not kept, which one it is */
    uint8_t free_draw[LANES];
    order_slots(tables, at, block);
    if (tables->plain) {
        resolve_plain(plan, tables, block);
        return;
    }
    for (uint32_t k = 0; k < block->n; k++) {
        uint32_t c = cuts_find(&tables->cuts, block->draw[k]);
        uint64_t j = block->draw[k] - cut[c];
        uint64_t pass = tables->fixed ? 0 : block->second[k];
        block->class[k] = c;
        ordinal[k] = tables->offset[c] + pass * (cut[c + 1] - cut[c]) + j;
        beyond[k] = j - tables->kept[c];
        free_draw[k] = j >= tables->kept[c];
        block->member[k] = free_draw[k] ? 0 : tables->offset[c] + pass * tables->kept[c] + j;
    }
    uint64_t key = tables->fixed ? key_derive(plan->seed, KEY_FIXED, 0, 0) : at->epoch_key;
    if (tables->permuted && tables->fixed)
        members_fixed(plan, key, block);
    else if (tables->permuted)
        members_permuted(plan, key, block);
    if (tables->bases)
        members_bases(plan, tables, key, block, ordinal, beyond, free_draw);
    else if (tables->uniform)
        members_uniform(plan, tables, key, block, ordinal, free_draw);
}

static const double *epoch_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)epoch, (void)head;
    return ((const struct epoch_tables *)plan->tables)->shares;
}

static void epoch_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out)
{
    const struct epoch_tables *tables = plan->tables;
    const uint64_t *cut = tables->cuts.cut;
    uint64_t reached = (draws + tables->repeats - 1) / tables->repeats;
    double chance = reached < tables->slots ? (double)reached / (double)tables->slots : 1;
    (void)epoch;
    for (uint32_t c = 0; c < plan->index->classes; c++) {
        uint64_t slots = cut[c + 1] - cut[c];
        if (slots == 0)
            continue;
        struct coverage coverage = coverage_begin(class_size(plan->index, c));
        coverage_permuted(&coverage, tables->kept[c], chance);
        coverage_uniform(&coverage, slots - tables->kept[c], chance);
        out[c] = tables->bases
                     ? bases_coverage(plan, tables->bases, c, slots - tables->kept[c], chance)
                     : coverage_end(&coverage);
    }
}

static const struct engine engine = {
    .name = "epoch",
    .resolve = epoch_resolve,
    .shares = epoch_shares,
    .coverage = epoch_coverage,
};

int epoch_engine(struct plan *plan, const struct epoch_spec *spec, struct sampler_error *err)
{
    const struct class_index *index = plan->index;
    uint32_t classes = index->classes;
    struct epoch_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    uint64_t *cut = plan_alloc(plan, classes + 1ull, sizeof(*cut));
    uint64_t *kept = plan_alloc(plan, classes, sizeof(*kept));
    uint64_t *offset = plan_alloc(plan, classes, sizeof(*offset));
    double *shares = plan_alloc(plan, classes, sizeof(*shares));
    if (!tables || !cut || !kept || !offset || !shares)
        return PLAN_NO_MEMORY;
    *tables = (struct epoch_tables){.plain = !spec->fixed, .fixed = spec->fixed};
    for (uint32_t c = 0; c < classes; c++) {
        uint64_t slots = spec->slots[c];
        offset[c] = spec->offset ? spec->offset[c] : 0;
        kept[c] = spec->kept && spec->kept[c] < slots ? spec->kept[c] : slots;
        tables->permuted |= kept[c] > 0;
        tables->uniform |= kept[c] < slots;
        tables->plain &= kept[c] == slots && slots == class_size(index, c);
        if (slots > PLAN_MAX_DRAWS - cut[c])
            return plan_refuse(err, "strategy", "an epoch would have over 2^48 draws");
        cut[c + 1] = cut[c] + slots;
    }
    if (cut[classes] == 0)
        return plan_refuse(err, "strategy", "no sample is left to draw: keep some of a class");
    for (uint32_t c = 0; c < classes; c++)
        shares[c] = (double)spec->slots[c] / (double)cut[classes];
    if (!cuts_init(&tables->cuts, plan, cut, classes))
        return PLAN_NO_MEMORY;
    tables->kept = kept;
    tables->bases = spec->bases;
    tables->offset = offset;
    tables->shares = shares;
    tables->slots = cut[classes];
    tables->repeats = spec->repeats ? spec->repeats : 1;
    assert(tables->plain || (tables->repeats == 1 && spec->draws == 0));
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = spec->draws ? spec->draws : tables->slots;
    if (!tables->uniform)
        plan->columns |= 1u << PLAN_REPEAT;
    plan_hash(plan, cut, (classes + 1ull) * sizeof(*cut));
    plan_hash(plan, kept, classes * sizeof(*kept));
    plan_hash(plan, offset, classes * sizeof(*offset));
    plan_hash(plan, &spec->fixed, sizeof(spec->fixed));
    if (tables->repeats > 1)
        plan_hash(plan, &tables->repeats, sizeof(tables->repeats));
    return PLAN_OK;
}
