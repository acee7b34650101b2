/*
 * The cycle engine: all classes take their turn, in groups, and in each class all members. It goes
 * on over the epochs of a revision. A pass is one turn of all classes; what does not fill a group
 * is left out of that pass.
 */
#include "sampler/coverage.h"
#include "sampler/internal.h"
#include "sampler/members.h"

struct cycle_tables {
    uint32_t present;      /* classes with samples */
    const uint32_t *class; /* which ones */
    const double *shares;
    uint32_t classes, samples; /* of a group */
    uint32_t groups;           /* in a pass */
    uint64_t epoch_draws;      /* that an epoch uses up */
    uint64_t head_draws;       /* that the epoch did in which the plan took over */
    struct engine engine;
};

static uint64_t draws_before(const struct plan *plan, const struct cycle_tables *tables,
                             const struct draw_step *at)
{
    if (at->head)
        return 0;
    uint64_t epochs = at->epoch - plan->start_epoch;
    return tables->head_draws ? tables->head_draws + (epochs - 1) * tables->epoch_draws
                              : epochs * tables->epoch_draws;
}

static void cycle_resolve(const struct plan *plan, const struct draw_step *at,
                          struct draw_block *block)
{
    const struct cycle_tables *tables = plan->tables;
    uint64_t key = key_derive(plan->seed, KEY_REVISION, 0, plan->revision);
    uint64_t before = draws_before(plan, tables, at), keyed_pass = UINT64_MAX, order = 0;
    uint64_t size = (uint64_t)tables->classes * tables->samples;
    uint64_t pass[LANES];
    for (uint32_t k = 0; k < block->n; k++) {
        uint64_t in_group, in_pass, in_class;
        uint64_t group = divide(before + block->draw[k], size, &in_group);
        pass[k] = divide(group, tables->groups, &in_pass);
        block->member[k] = pass[k] * tables->samples + divide(in_group, tables->classes, &in_class);
        block->draw[k] = in_pass * tables->classes + in_class;
        if (pass[k] != keyed_pass) {
            order = key_derive(key, KEY_CLASSES, pass[k], 0);
            keyed_pass = pass[k];
        }
        block->first[k] = order;
        block->size[k] = tables->present;
    }
    lanes_permute(block->draw, block->size, block->first, block->n, &block->walk);
    for (uint32_t k = 0; k < block->n; k++)
        block->class[k] = tables->class[block->draw[k]];
    members_permuted(plan, key, block);
}

static const double *cycle_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)epoch, (void)head;
    return ((const struct cycle_tables *)plan->tables)->shares;
}

/* The first draws that the plan makes: some passes, in each of which a class has its turn or is
 * left out, and a part of one. A group that is cut off has its samples in rounds over its classes.
 */
static void cycle_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out)
{
    const struct cycle_tables *tables = plan->tables;
    uint64_t group_draws = (uint64_t)tables->classes * tables->samples, in_pass, in_group;
    uint64_t passes = divide(draws, group_draws * tables->groups, &in_pass);
    uint64_t groups = divide(in_pass, group_draws, &in_group);
    uint64_t rounds = in_group / tables->classes, rest = in_group % tables->classes;
    double present = tables->present, before = (double)(groups * tables->classes) / present;
    (void)epoch;
    for (uint32_t i = 0; i < tables->present; i++) {
        uint32_t c = tables->class[i];
        struct coverage coverage = coverage_begin(class_size(plan->index, c));
        coverage_permuted(&coverage, passes * tables->samples,
                          (double)(tables->groups * tables->classes) / present);
        coverage_permuted(&coverage, rounds, before + tables->classes / present);
        coverage_permuted(&coverage, 1, before + (double)rest / present);
        coverage_permuted(&coverage, tables->samples - rounds - 1, before);
        out[c] = coverage_end(&coverage);
    }
}

static int cycle_place_head(struct plan *plan, uint64_t steps)
{
    ((struct cycle_tables *)plan->tables)->head_draws = steps * plan->batch_size;
    return PLAN_OK;
}

int cycle_engine(struct plan *plan, const struct cycle_spec *spec)
{
    const struct class_index *index = plan->index;
    struct cycle_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    uint32_t *class = plan_alloc(plan, index->classes, sizeof(*class));
    double *shares = plan_alloc(plan, index->classes, sizeof(*shares));
    if (!tables || !class || !shares)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < index->classes; c++) {
        if (class_size(index, c))
            class[tables->present++] = c;
    }
    for (uint32_t i = 0; i < tables->present; i++)
        shares[class[i]] = 1.0 / tables->present;
    tables->class = class;
    tables->shares = shares;
    tables->classes = spec->classes;
    tables->samples = spec->samples;
    tables->groups = tables->present / spec->classes;
    tables->engine = (struct engine){
        .name = "cycle",
        .resolve = cycle_resolve,
        .shares = cycle_shares,
        .coverage = cycle_coverage,
        .place_head = cycle_place_head,
        .whole_steps = spec->whole_steps,
    };
    plan->engine = &tables->engine;
    plan->tables = tables;
    plan->draws = spec->draws;
    /* What a dropped batch would have held is taken by the next epoch. */
    bool whole = spec->whole_steps || plan->last_batch == LAST_DROP;
    tables->epoch_draws = whole ? spec->draws / plan->batch_size * plan->batch_size : spec->draws;
    plan->columns |= 1u << PLAN_REPEAT;
    plan_hash(plan, &spec->classes, sizeof(spec->classes));
    plan_hash(plan, &spec->samples, sizeof(spec->samples));
    return PLAN_OK;
}
