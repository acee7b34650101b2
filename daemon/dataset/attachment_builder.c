/* Takes rows of an attachment, and builds it with its digest (attachment_builder.h). What rows must
 * be like is in attachment_check.c. */
#include "dataset/attachment_builder.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "dataset/attachment_check.h"

/* What xxhash takes for the state of a digest, about. */
#define STATE_BYTES 640u

struct attachment_builder {
    struct attachment *attachment; /* with room for all of its rows */
    uint64_t filled;               /* samples */
    XXH3_state_t *rows, *distances;
};

static bool reserve(struct attachment *attachment)
{
    uint64_t bytes = attachment_rows_memory(&attachment->form, attachment->samples);

    /* Pages that no row has come for yet take no memory. */
    if (bytes > SIZE_MAX / 2)
        return false;
    switch (attachment->form.kind) {
    case ATTACHMENT_NEIGHBOURS:
        attachment->neighbours = malloc(bytes);
        return attachment->neighbours != NULL;
    case ATTACHMENT_SELECTION:
        attachment->bits = calloc(1, bytes);
        return attachment->bits != NULL;
    default:
        attachment->folds = malloc(bytes);
        return attachment->folds != NULL;
    }
}

struct attachment_builder *attachment_builder_new(const struct attachment_form *form,
                                                  uint64_t samples)
{
    struct attachment_builder *builder = calloc(1, sizeof(*builder));

    if (!builder)
        return NULL;
    builder->attachment = calloc(1, sizeof(*builder->attachment));
    builder->rows = XXH3_createState();
    builder->distances = XXH3_createState();
    if (!builder->attachment || !builder->rows || !builder->distances)
        goto err;
    builder->attachment->form = *form;
    builder->attachment->samples = samples;
    if (!reserve(builder->attachment))
        goto err;
    XXH3_64bits_reset(builder->rows);
    XXH3_64bits_reset(builder->distances);
    return builder;
err:
    attachment_builder_free(builder);
    return NULL;
}

void attachment_builder_free(struct attachment_builder *builder)
{
    if (!builder)
        return;
    attachment_free(builder->attachment);
    XXH3_freeState(builder->rows);
    XXH3_freeState(builder->distances);
    free(builder);
}

void attachment_builder_say(struct attachment_builder *builder, void *facts, size_t bytes)
{
    free(builder->attachment->facts);
    builder->attachment->facts = facts;
    builder->attachment->facts_bytes = bytes;
}

const void *attachment_builder_facts(const struct attachment_builder *builder, size_t *bytes)
{
    *bytes = builder->attachment->facts_bytes;
    return builder->attachment->facts;
}

const struct attachment_form *attachment_builder_form(const struct attachment_builder *builder)
{
    return &builder->attachment->form;
}

uint64_t attachment_builder_samples(const struct attachment_builder *builder)
{
    return builder->filled;
}

uint64_t attachment_builder_memory(const struct attachment_builder *builder)
{
    return sizeof(*builder) + sizeof(*builder->attachment) + builder->attachment->facts_bytes +
           2 * STATE_BYTES + attachment_rows_memory(&builder->attachment->form, builder->filled);
}

uint64_t attachment_builder_more(const struct attachment_builder *builder, uint64_t rows)
{
    const struct attachment_form *form = &builder->attachment->form;

    return attachment_rows_memory(form, builder->filled + rows) -
           attachment_rows_memory(form, builder->filled);
}

static void take(struct attachment_builder *builder, const void *rows, uint64_t n)
{
    struct attachment *attachment = builder->attachment;
    uint32_t width = attachment->form.width;
    const uint8_t *in = rows;
    uint32_t *to;

    switch (attachment->form.kind) {
    case ATTACHMENT_NEIGHBOURS:
        to = attachment->neighbours + builder->filled * width;
        memcpy(to, in, n * width * sizeof(*to));
        for (uint64_t i = 0; i < n * width; i++)
            to[i] = le32toh(to[i]);
        break;
    case ATTACHMENT_SELECTION:
        for (uint64_t i = 0, at = builder->filled; i < n; i++, at++)
            attachment->bits[at / 64] |= (uint64_t)in[i] << at % 64;
        break;
    case ATTACHMENT_FOLDS:
        memcpy(attachment->folds + builder->filled, in, n * sizeof(uint16_t));
        for (uint64_t i = 0; i < n; i++)
            attachment->folds[builder->filled + i] =
                le16toh(attachment->folds[builder->filled + i]);
        break;
    }
}

int attachment_builder_append(struct attachment_builder *builder, const void *rows, size_t bytes,
                              const void *distances, size_t distance_bytes, struct evd_error *err)
{
    const struct attachment *attachment = builder->attachment;
    uint64_t n = bytes / attachment_row_bytes(&attachment->form);
    int code = attachment_check_piece(&attachment->form, builder->filled, rows, bytes, distances,
                                      distance_bytes, err);

    if (code != EVD_OK)
        return code;
    if (n > attachment->samples - builder->filled)
        return error_set(err, EVD_E_BAD_VALUE, "rows",
                         "there are more rows than the %" PRIu64
                         " samples of the dataset: send one for each, in their order",
                         attachment->samples);
    if (n == 0)
        return EVD_OK;
    XXH3_64bits_update(builder->rows, rows, bytes);
    if (distance_bytes > 0)
        XXH3_64bits_update(builder->distances, distances, distance_bytes);
    take(builder, rows, n);
    builder->filled += n;
    return EVD_OK;
}

/*
 * The digest of an attachment is XXH3-64 (seed 0) over
 *   its kind and one zero byte; its width, u32;
 *   its scope and one zero byte, its metric and one zero byte (both empty but for neighbours);
 *   the checksum of its dataset, u64; the number of samples, u64;
 *   XXH3-64 over all rows, u64, and over all distances, u64, both as on the wire.
 * All numbers are little-endian. It does not depend on how the rows were cut into pieces, nor on
 * what it is called and what is said of it.
 */
static bool digest(const struct attachment_builder *builder, const struct dataset *dataset,
                   uint64_t *out)
{
    const struct attachment *attachment = builder->attachment;
    const struct attachment_form *form = &attachment->form;
    const char *const texts[] = {attachment_scope_word(form), form->metric};
    const uint64_t numbers[] = {htole64(dataset->checksum), htole64(attachment->samples),
                                htole64(XXH3_64bits_digest(builder->rows)),
                                htole64(XXH3_64bits_digest(builder->distances))};
    const char *kind = attachment_kind_word(form->kind);
    uint32_t width = htole32(form->width);
    XXH3_state_t *state = XXH3_createState();

    if (!state)
        return false;
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, kind, strlen(kind) + 1);
    XXH3_64bits_update(state, &width, sizeof(width));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        XXH3_64bits_update(state, texts[i], strlen(texts[i]) + 1);
    XXH3_64bits_update(state, numbers, sizeof(numbers));
    *out = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return true;
}

int attachment_build(struct attachment_builder *builder, const struct dataset *dataset,
                     const atomic_bool *cancel, struct attachment **out, struct evd_error *err)
{
    struct attachment *attachment = builder->attachment;

    if (builder->filled != attachment->samples || attachment->samples != dataset->index.samples)
        return error_set(err, EVD_E_BAD_VALUE, "rows",
                         "%" PRIu64 " rows are there for %" PRIu64
                         " samples: send one for each, in their order",
                         builder->filled, dataset->index.samples);
    if (attachment_check(attachment, dataset, cancel, err) != EVD_OK)
        return err->code;
    if (!digest(builder, dataset, &attachment->digest))
        return error_set(err, EVD_E_NO_MEMORY, "rows", "no memory for the digest of an attachment");
    *out = attachment;
    builder->attachment = NULL;
    attachment_builder_free(builder);
    return EVD_OK;
}
