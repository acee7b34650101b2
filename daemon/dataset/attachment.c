/* Tables over the samples of a dataset, and what is asked of one (attachment.h). */
#include "dataset/attachment.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* ---- forms ---- */

static const char *const kind_words[] = {
    [ATTACHMENT_NEIGHBOURS] = "neighbours",
    [ATTACHMENT_SELECTION] = "selection",
    [ATTACHMENT_FOLDS] = "folds",
};

const char *attachment_kind_word(enum attachment_kind kind)
{
    return kind_words[kind];
}

int attachment_kind_find(struct evd_str word)
{
    for (int kind = 0; kind < (int)(sizeof(kind_words) / sizeof(kind_words[0])); kind++) {
        if (str_is(word, kind_words[kind]))
            return kind;
    }
    return -1;
}

const char *attachment_scope_word(const struct attachment_form *form)
{
    if (form->kind != ATTACHMENT_NEIGHBOURS)
        return "";
    return form->by_class ? "class" : "all";
}

uint32_t attachment_row_bytes(const struct attachment_form *form)
{
    switch (form->kind) {
    case ATTACHMENT_NEIGHBOURS:
        return form->width * (uint32_t)sizeof(uint32_t);
    case ATTACHMENT_SELECTION:
        return 1;
    default:
        return sizeof(uint16_t);
    }
}

uint32_t attachment_distance_bytes(const struct attachment_form *form)
{
    return form->kind == ATTACHMENT_NEIGHBOURS ? form->width * (uint32_t)sizeof(float) : 0;
}

uint64_t attachment_rows_memory(const struct attachment_form *form, uint64_t rows)
{
    if (form->kind == ATTACHMENT_SELECTION)
        return (rows + 63) / 64 * sizeof(uint64_t);
    return rows * attachment_row_bytes(form);
}

void attachment_free(struct attachment *attachment)
{
    if (!attachment)
        return;
    free(attachment->facts);
    free(attachment->damage);
    free(attachment->neighbours);
    free(attachment->bits);
    free(attachment->folds);
    free(attachment);
}

/* ---- asking ---- */

const uint32_t *attachment_neighbours(const struct attachment *attachment)
{
    return attachment->neighbours;
}

const uint64_t *attachment_kept(const struct attachment *attachment)
{
    return attachment->bits;
}

const uint16_t *attachment_folds(const struct attachment *attachment)
{
    return attachment->folds;
}

bool attachment_keeps(const struct attachment *attachment, uint64_t sample)
{
    return attachment->bits[sample / 64] >> sample % 64 & 1;
}

uint32_t attachment_fold(const struct attachment *attachment, uint64_t sample)
{
    return attachment->folds[sample];
}

void attachment_rows(const struct attachment *attachment, uint64_t first, uint64_t n, void *out)
{
    uint64_t width = attachment->form.width;
    uint8_t *to = out;

    for (uint64_t i = first; i < first + n; i++) {
        uint16_t fold;

        switch (attachment->form.kind) {
        case ATTACHMENT_NEIGHBOURS:
            for (uint64_t j = i * width; j < (i + 1) * width; j++) {
                uint32_t neighbour = htole32(attachment->neighbours[j]);

                memcpy(to, &neighbour, sizeof(neighbour));
                to += sizeof(neighbour);
            }
            break;
        case ATTACHMENT_SELECTION:
            *to++ = attachment_keeps(attachment, i);
            break;
        case ATTACHMENT_FOLDS:
            fold = htole16(attachment->folds[i]);
            memcpy(to, &fold, sizeof(fold));
            to += sizeof(fold);
            break;
        }
    }
}

uint64_t attachment_memory(const struct attachment *attachment)
{
    uint64_t bytes = sizeof(*attachment) + attachment->facts_bytes;

    return attachment->damage
               ? bytes
               : bytes + attachment_rows_memory(&attachment->form, attachment->samples);
}

/* ---- those of a dataset ---- */

/* Where one of that name is, or would be. */
static uint32_t place_of(const struct dataset *dataset, struct evd_str name, bool *there)
{
    uint32_t at = 0;

    *there = false;
    for (; at < dataset->attachment_count; at++) {
        const char *known = dataset->attachments[at]->name;
        size_t len = strlen(known);
        int order = memcmp(known, name.data, len < name.len ? len : name.len);

        if (order == 0)
            order = (len > name.len) - (len < name.len);
        *there = order == 0;
        if (order >= 0)
            break;
    }
    return at;
}

struct attachment *dataset_attachment(const struct dataset *dataset, struct evd_str name)
{
    bool there;
    uint32_t at = place_of(dataset, name, &there);

    return there ? dataset->attachments[at] : NULL;
}

bool dataset_attach(struct dataset *dataset, struct attachment *attachment)
{
    struct evd_str name = {attachment->name, (uint32_t)strlen(attachment->name)};
    struct attachment **grown =
        realloc(dataset->attachments, (dataset->attachment_count + 1) * sizeof(*grown));
    bool there;
    uint32_t at;

    if (!grown)
        return false;
    dataset->attachments = grown;
    at = place_of(dataset, name, &there);
    memmove(&grown[at + 1], &grown[at], (dataset->attachment_count - at) * sizeof(*grown));
    grown[at] = attachment;
    dataset->attachment_count++;
    return true;
}

void dataset_detach_all(struct dataset *dataset)
{
    for (uint32_t i = 0; i < dataset->attachment_count; i++) {
        assert(dataset->attachments[i]->uses == 0);
        attachment_free(dataset->attachments[i]);
    }
    free(dataset->attachments);
    dataset->attachments = NULL;
    dataset->attachment_count = 0;
}

void dataset_detach(struct dataset *dataset, struct attachment *attachment)
{
    uint32_t at = 0;

    while (dataset->attachments[at] != attachment)
        at++;
    dataset->attachment_count--;
    memmove(&dataset->attachments[at], &dataset->attachments[at + 1],
            (dataset->attachment_count - at) * sizeof(*dataset->attachments));
    attachment_free(attachment);
}
