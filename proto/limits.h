/*
 * Limits of the protocol, in one place. The daemon reports those a client must know in `hello`.
 * Raising one is compatible; lowering one needs a new protocol version.
 */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#include <stdint.h>

#define EVD_PROTOCOL_VERSION 1u

/* Frames (one MessagePack object each). The daemon enforces all three on what it receives; a client
 * enforces the last two bounds on what it receives. */
#define EVD_MAX_FRAME       (1u << 20) /* bytes, towards the daemon */
#define EVD_MAX_DEPTH       16u        /* arrays and maps within one another */
#define EVD_MAX_NODES       65536u     /* MessagePack objects in one frame, towards the daemon */
#define EVD_MAX_REPLY_FRAME (4u << 20) /* bytes, towards the client */
#define EVD_MAX_REPLY_NODES (1u << 20) /* MessagePack objects, towards the client */

/* Things with names. */
#define EVD_MAX_NAME    128u                /* bytes of UTF-8 in a dataset, job or class name */
#define EVD_MAX_CLASSES (1u << 20)          /* classes of a dataset */
#define EVD_MAX_SAMPLES (UINT64_C(1) << 40) /* samples of a dataset */
#define EVD_MAX_PAGE    4096u  /* classes in one reply of dataset.stats, job.stats, job.preview */
#define EVD_MAX_ROWS    256u   /* rows in one reply of dataset.list, job.list, job.workers */
#define EVD_MAX_LABELS  65536u /* samples in one reply of dataset.labels: 256 KiB */

/* Jobs and streams. */
#define EVD_MAX_BATCH 65536u /* indices in a global batch */
#define EVD_MAX_WORLD 4096u  /* ranks of a job */
/* Steps of a job that may be out, from the lowest unacknowledged one on, unless the operator wants
 * fewer. A power of two. */
#define EVD_OUTSTANDING    65536u
#define EVD_MAX_WINDOW     256u /* unacknowledged batches of one stream */
#define EVD_DEFAULT_WINDOW 8u
#define EVD_MAX_HOLDING    8192u /* steps that stream.open claims: a window, and unconfirmed ones */
#define EVD_MAX_STREAMS    64u   /* open streams of one connection */
#define EVD_MAX_JOBS       4096u
#define EVD_MAX_DATASETS   4096u             /* committed versions */
#define EVD_MAX_DRAFTS     64u               /* of one connection */
#define EVD_MAX_WORKS      2u                /* heavy requests of one connection under way */
#define EVD_MAX_REVISIONS  65536u            /* of one job */
#define EVD_MAX_SEEKS      65536u            /* of one job */
#define EVD_MAX_SEED       (UINT64_MAX >> 1) /* fits every language's signed 64-bit integer */

/* A label that says "this sample has no label": it keeps its index and is never drawn. */
#define EVD_UNLABELLED UINT32_C(0xFFFFFFFF)

/* Attachments of a dataset version. */
#define EVD_MAX_ATTACHMENTS 256u /* of one version, those that are being sent among them */
#define EVD_MAX_NEIGHBOURS  64u  /* of one sample */
#define EVD_MAX_FOLDS       1024u
#define EVD_MAX_TERMS       4096u      /* bytes of what is said of an attachment, in MessagePack */
#define EVD_MAX_PIECE       (1u << 20) /* bytes of rows and distances in one reply */
#define EVD_NO_PLACE        UINT32_C(0xFFFFFFFF) /* in place of a neighbour: there is none */
#define EVD_NO_FOLD         UINT32_C(0xFFFF)     /* in place of a fold: the sample has no label */

#endif
