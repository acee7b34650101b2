/*
 * Takes class names, labels and weights of one request into a draft, if there is memory for them.
 * Called by dataset.create and dataset.append (dataset_upload.c).
 */
#include "calls/draft_take.h"

#include <stdio.h>
#include <string.h>
#include "jobs/memory.h"
#include "proto/numbers.h"

/* Bytes of a class that is named by its number, with its end. */
#define NUMBER_BYTES 8u

static int no_names(struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, "classes", "\"classes\" must be an array of class names");
}

/* How many names there are, and how long. */
static int count_names(const struct draft *draft, const msgpack_object *classes,
                       struct dataset_piece *piece, struct evd_error *err)
{
    struct evd_str name;

    if (!classes)
        return EVD_OK;
    if (classes->type != MSGPACK_OBJECT_ARRAY)
        return no_names(err);
    if (!draft->named && classes->via.array.size > 0 && dataset_builder_classes(draft->builder) > 0)
        return error_set(err, EVD_E_CONFLICT, "classes",
                         "labels came before any class name, so the classes are numbers: send the "
                         "names first, with dataset.create or the first dataset.append");
    piece->classes = classes->via.array.size;
    for (uint32_t i = 0; i < piece->classes; i++) {
        if (!text_from(&classes->via.array.ptr[i], &name))
            return no_names(err);
        piece->text += name.len + 1u;
    }
    return EVD_OK;
}

static int take_names(struct draft *draft, const msgpack_object *classes, struct evd_error *err)
{
    struct evd_str name;

    for (uint32_t i = 0; classes && i < classes->via.array.size; i++) {
        if (!text_from(&classes->via.array.ptr[i], &name))
            return no_names(err);
        if (name_check(name, "class name", err) != EVD_OK ||
            dataset_builder_class(draft->builder, name, err) != EVD_OK)
            return err->code;
        draft->named = true;
    }
    return EVD_OK;
}

/* Without names from the peer, the classes are the numbers that occur, and those below them. */
static int count_numbers(const struct draft *draft, const struct chunk *chunk,
                         struct dataset_piece *piece, struct evd_error *err)
{
    uint32_t have = dataset_builder_classes(draft->builder), need = have;

    if (draft->named || piece->classes > 0)
        return EVD_OK;
    for (size_t i = 0; i < chunk->label_count; i++) {
        if (chunk->labels[i] != EVD_UNLABELLED && chunk->labels[i] >= need)
            need = chunk->labels[i] + 1;
    }
    if (need > EVD_MAX_CLASSES)
        return error_set(err, EVD_E_LIMIT, "labels",
                         "label %u is too large: a dataset has at most %u classes, numbered from 0",
                         need - 1, EVD_MAX_CLASSES);
    /* As many as a request can name, so that one label does not make a million. */
    if (need - have > EVD_MAX_NODES)
        return error_set(err, EVD_E_LIMIT, "labels",
                         "label %u would make %u classes at once, and %u may be: send the names of "
                         "the classes first, or check the labels",
                         need - 1, need - have, EVD_MAX_NODES);
    piece->classes = need - have;
    piece->text = (size_t)piece->classes * NUMBER_BYTES;
    return EVD_OK;
}

static int take_numbers(struct draft *draft, uint32_t count, struct evd_error *err)
{
    uint32_t have = dataset_builder_classes(draft->builder);
    char text[16];

    for (uint32_t end = have + count; have < end; have++) {
        int len = snprintf(text, sizeof(text), "%u", have);

        if (dataset_builder_class(draft->builder, (struct evd_str){text, (uint32_t)len}, err) !=
            EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

static int take_chunk(struct draft *draft, const struct chunk *chunk, struct evd_error *err)
{
    struct evd_str column = {chunk->column, (uint32_t)strlen(chunk->column)};
    int code = dataset_builder_labels(draft->builder, chunk->labels, chunk->label_count, err);

    if (code != EVD_OK || column.len == 0)
        return code;
    return dataset_builder_weights(draft->builder, column, chunk->weights, chunk->weight_count,
                                   err);
}

int draft_take(struct draft *draft, const msgpack_object *classes, const struct chunk *chunk,
               struct evd_error *err)
{
    struct dataset_piece piece = {0};
    bool numbers;
    int code = count_names(draft, classes, &piece, err);

    numbers = piece.classes == 0;
    if (code == EVD_OK && chunk) {
        piece.labels = chunk->label_count;
        piece.weights = chunk->weight_count;
        code = count_numbers(draft, chunk, &piece, err);
    }
    if (code == EVD_OK)
        code = memory_room(draft->jobs, dataset_builder_more(draft->builder, &piece),
                           "this piece of a dataset", err);
    if (code == EVD_OK)
        code = numbers ? take_numbers(draft, piece.classes, err) : take_names(draft, classes, err);
    if (code == EVD_OK && chunk)
        code = take_chunk(draft, chunk, err);
    if (code != EVD_OK)
        return code;
    draft_count(draft);
    memory_update(draft->jobs);
    return EVD_OK;
}
