/* Counts what operations point to (operation.h). */
#include "store/operation.h"

static size_t job_bytes(const struct store_op *op)
{
    size_t bytes = op->revision.strategy_bytes;

    for (size_t i = 0; i < op->progress_count; i++)
        bytes += sizeof(op->progress[i]) + op->progress[i].acked_bytes;
    return bytes;
}

size_t operation_bytes(const struct store_op *op)
{
    size_t bytes = sizeof(*op);

    switch (op->kind) {
    case STORE_DRAFT_APPEND:
        bytes += op->chunk.n * sizeof(*op->chunk.labels) + op->chunk.class_names_bytes +
                 op->chunk.weights_n * sizeof(*op->chunk.weights);
        break;
    case STORE_ATTACHMENT_CREATE:
        bytes += op->attachment.facts_bytes;
        break;
    case STORE_ATTACHMENT_APPEND:
        bytes += op->rows.rows_bytes + op->rows.distances_bytes;
        break;
    case STORE_JOB_CREATE:
    case STORE_REVISION_ADD:
    case STORE_SEEK_ADD:
    case STORE_PROGRESS_PUT:
        bytes += job_bytes(op);
        break;
    case STORE_FORGET:
        bytes += op->forgotten_count * sizeof(*op->forgotten);
        break;
    default:
        break;
    }
    return bytes;
}
