/* Single steps, drawn again (drawing.h). Called by job.batch, job.trace and job.stats. */
#include "replay/drawing.h"

#include <stdlib.h>

bool drawing_init(struct drawing *drawing, uint32_t columns, uint32_t batch_size)
{
    *drawing = (struct drawing){0};
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (!(columns & 1u << i))
            continue;
        drawing->columns[i] = calloc(batch_size, sizeof(uint64_t));
        if (!drawing->columns[i])
            return false;
    }
    return true;
}

void drawing_fini(struct drawing *drawing)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        free(drawing->columns[i]);
    free(drawing->scratch);
}

int drawing_step(struct drawing *drawing, const struct replay_step *step, uint32_t slice,
                 uint32_t slices, uint32_t *n, struct evd_error *err)
{
    const struct plan_columns columns = {
        .index = drawing->columns[COLUMN_index],
        .label = drawing->columns[COLUMN_label],
        .probability = drawing->columns[COLUMN_probability],
        .repeat = drawing->columns[COLUMN_repeat],
        .augment_seed = drawing->columns[COLUMN_augment_seed],
        .augment_strength = drawing->columns[COLUMN_augment_strength],
        .mix_index = drawing->columns[COLUMN_mix_index],
        .mix_label = drawing->columns[COLUMN_mix_label],
        .mix_lambda = drawing->columns[COLUMN_mix_lambda],
        .mix_label_lambda = drawing->columns[COLUMN_mix_label_lambda],
    };
    const struct plan_slice part = {step->at.epoch, step->at.step, step->shape, slice, slices};
    size_t size = (plan_scratch_size(step->plan) + 63) / 64 * 64;

    if (size > drawing->scratch_size) {
        free(drawing->scratch);
        drawing->scratch = aligned_alloc(64, size);
        drawing->scratch_size = drawing->scratch ? size : 0;
        if (!drawing->scratch)
            return error_no_memory(err);
    }
    *n = plan_draw(step->plan, &part, &columns, drawing->scratch);
    return EVD_OK;
}
