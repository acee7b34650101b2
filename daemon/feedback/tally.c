/* Remembers which slices of which steps were counted, so that each counts once (tally.h). Called by
 * feedback.c. */
#include "feedback/tally.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u

void tally_fini(struct tally *tally)
{
    for (uint32_t i = 0; i < tally->row_count; i++)
        free(tally->rows[i].words);
    free(tally->rows);
    *tally = (struct tally){0};
}

size_t tally_memory(const struct tally *tally)
{
    return tally->bytes;
}

static int no_memory(struct evd_error *err)
{
    return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count a report");
}

static int too_long(struct evd_error *err)
{
    return error_set(err, EVD_E_LIMIT, "step",
                     "an epoch of so many steps and ranks is too long for reports: they are kept "
                     "for up to %zu steps times ranks",
                     TALLY_MAX_BYTES * 8);
}

static int reserve_rows(struct tally *tally, uint32_t rows, struct evd_error *err)
{
    size_t more = (rows - tally->row_count) * sizeof(struct tally_row);
    struct tally_row *grown;

    if (tally->bytes + more > TALLY_MAX_BYTES)
        return too_long(err);
    grown = realloc(tally->rows, rows * sizeof(*grown));
    if (!grown)
        return no_memory(err);
    memset(grown + tally->row_count, 0, more);
    tally->rows = grown;
    tally->row_count = rows;
    tally->bytes += more;
    return EVD_OK;
}

static int reserve_words(struct tally *tally, struct tally_row *row, size_t length,
                         struct evd_error *err)
{
    size_t most = row->length + (TALLY_MAX_BYTES - tally->bytes) / sizeof(uint64_t);
    uint64_t *grown;

    if (length > most)
        return too_long(err);
    /* Steps come one after the other: not a realloc for each. */
    if (length < row->length * 2)
        length = row->length * 2 < most ? row->length * 2 : most;
    grown = realloc(row->words, length * sizeof(*grown));
    if (!grown)
        return no_memory(err);
    memset(grown + row->length, 0, (length - row->length) * sizeof(*grown));
    tally->bytes += (length - row->length) * sizeof(*grown);
    row->words = grown;
    row->length = length;
    return EVD_OK;
}

int tally_reserve(struct tally *tally, uint32_t slice, uint64_t step, struct evd_error *err)
{
    if (step / WORD_BITS >= TALLY_MAX_BYTES / sizeof(uint64_t))
        return too_long(err);
    if (slice >= tally->row_count && reserve_rows(tally, slice + 1, err) != EVD_OK)
        return err->code;
    if (step / WORD_BITS < tally->rows[slice].length)
        return EVD_OK;
    return reserve_words(tally, &tally->rows[slice], (size_t)(step / WORD_BITS) + 1, err);
}

bool tally_has(const struct tally *tally, uint32_t slice, uint64_t step)
{
    return tally->rows[slice].words[step / WORD_BITS] >> (step % WORD_BITS) & 1;
}

void tally_set(struct tally *tally, uint32_t slice, uint64_t step)
{
    tally->count += !tally_has(tally, slice, step);
    tally->rows[slice].words[step / WORD_BITS] |= UINT64_C(1) << (step % WORD_BITS);
}
