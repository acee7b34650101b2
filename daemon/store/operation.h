/*
 * What an operation takes while it waits to be written. For store.c.
 */
#ifndef STORE_OPERATION_H
#define STORE_OPERATION_H

#include "store/records.h"

size_t operation_bytes(const struct store_op *op);

#endif
