/*
 * MUST_CHECK, behind the declaration of a function that can fail: the compiler warns whoever does
 * not look. Part of every header that has such functions.
 */
#ifndef PROTO_CHECK_H
#define PROTO_CHECK_H

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
