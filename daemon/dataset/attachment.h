/*
 * Attachments: what clients compute of the samples of one dataset version, which the daemon knows
 * no features of. A row for every sample, under a name; immutable once built.
 *
 *   neighbours  the k nearest other samples, the nearest first; those of a sample without a label,
 *               and places for which there is no neighbour, are EVD_NO_PLACE
 *   selection   whether a sample is kept; one without a label never is
 *   folds       in which of K folds a sample is; EVD_NO_FOLD without a label
 *
 * On the wire and in the store, rows are little-endian u32 of neighbours, with as many f32 of
 * distances; u8 of a selection; u16 of folds. Distances are not in memory.
 *
 * Memory: 4 k bytes a sample, or one bit, or 2 bytes.
 */
#ifndef DATASET_ATTACHMENT_H
#define DATASET_ATTACHMENT_H

#include "dataset/dataset.h"

enum attachment_kind { ATTACHMENT_NEIGHBOURS, ATTACHMENT_SELECTION, ATTACHMENT_FOLDS };

/* What rows are like. */
struct attachment_form {
    enum attachment_kind kind;
    uint32_t width; /* neighbours: so many of a sample; folds: so many in all; selection: 1 */
    bool by_class;  /* neighbours are of the sample's own class */
    char metric[EVD_MAX_NAME + 1]; /* of neighbours: by which they are near */
};

struct attachment {
    uint64_t id; /* key in the store */
    char name[EVD_MAX_NAME + 1];
    uint64_t created; /* seconds since 1970 */
    struct attachment_form form;
    uint64_t samples;
    uint64_t digest;  /* XXH3-64 over form and rows; exactly: attachment_builder.c */
    uint64_t kept;    /* samples with a label that have a row: of a selection, those that are in */
    uint64_t lacking; /* of neighbours: of those, how many have fewer than k */
    void *facts;      /* what whoever made it says of it: a MessagePack map; owned */
    size_t facts_bytes;
    char *damage; /* why it is of no use: then it has no rows; owned. NULL: it is sound */
    /* Who reads it: it is not dropped while > 0, nor is its dataset. Loop thread only. */
    uint32_t uses;
    bool dropping; /* until the store has answered; nobody finds it. Loop thread only */
    /* private: one of them */
    uint32_t *neighbours; /* samples * width */
    uint64_t *bits;
    uint16_t *folds;
};

/* "neighbours", "selection" or "folds"; -1 for other text. */
const char *attachment_kind_word(enum attachment_kind kind);
int attachment_kind_find(struct evd_str word);
/* "class" or "all", of neighbours; "" of others. */
const char *attachment_scope_word(const struct attachment_form *form);
/* Bytes of a sample's row on the wire and in the store, and of its distances. */
uint32_t attachment_row_bytes(const struct attachment_form *form);
uint32_t attachment_distance_bytes(const struct attachment_form *form);
/* Bytes in memory of so many rows. */
uint64_t attachment_rows_memory(const struct attachment_form *form, uint64_t rows);

void attachment_free(struct attachment *attachment);

/* ---- asking ---- */

/* form.width of each sample, one behind the other; NULL: it has no neighbours. */
const uint32_t *attachment_neighbours(const struct attachment *attachment);
/* All bits of a selection, the first sample's the lowest of the first number; all folds. NULL: it
 * is none. */
const uint64_t *attachment_kept(const struct attachment *attachment);
const uint16_t *attachment_folds(const struct attachment *attachment);
/* Of a selection: whether the sample is in it. */
bool attachment_keeps(const struct attachment *attachment, uint64_t sample);
/* Of folds: the sample's, or EVD_NO_FOLD. */
uint32_t attachment_fold(const struct attachment *attachment, uint64_t sample);
/* Rows as on the wire: attachment_row_bytes each. */
void attachment_rows(const struct attachment *attachment, uint64_t first, uint64_t n, void *out);
uint64_t attachment_memory(const struct attachment *attachment); /* bytes */

/* ---- those of a dataset, in order of their names; loop thread only ---- */

/* Also one that is being dropped; NULL: there is none. */
struct attachment *dataset_attachment(const struct dataset *dataset, struct evd_str name);
/* Takes it over, which has a name of its own; false without memory. */
bool dataset_attach(struct dataset *dataset, struct attachment *attachment) MUST_CHECK;
/* Out of the dataset, and freed. */
void dataset_detach(struct dataset *dataset, struct attachment *attachment);
/* All of them: before the dataset is freed. */
void dataset_detach_all(struct dataset *dataset);

#endif
