/*
 * Errors of evendraw: the one list shared by daemon, libevendraw and bindings.
 *
 * X(NAME, code, "name"): the code is what C functions return (as EVD_E_NAME) and what stands first
 * in an error on the wire, the name is what scripts match on. Codes are never reused.
 * 1..99 come from the daemon, 100.. are made by the client library itself.
 */
#ifndef EVENDRAW_ERRORS_H
#define EVENDRAW_ERRORS_H

#define EVD_ERRORS(X)                                                                              \
    X(PROTOCOL, 1, "protocol")             /* not MessagePack-RPC, or broken MessagePack */        \
    X(HELLO_REQUIRED, 2, "hello_required") /* something else came before hello */                  \
    X(VERSION, 3, "version")               /* the server does not speak this protocol version */   \
    X(UNKNOWN_METHOD, 4, "unknown_method")                                                         \
    X(UNKNOWN_FIELD, 5, "unknown_field") /* a field or parameter nobody knows: often a typo */     \
    X(MISSING_FIELD, 6, "missing_field")                                                           \
    X(BAD_TYPE, 7, "bad_type")   /* a field has the wrong MessagePack type */                      \
    X(BAD_VALUE, 8, "bad_value") /* right type, impossible value */                                \
    X(LIMIT, 9, "limit")         /* over a limit that hello or server.info reports */              \
    X(NOT_FOUND, 10, "not_found")                                                                  \
    X(EXISTS, 11, "exists")                                                                        \
    X(CONFLICT, 12, "conflict") /* the state forbids it now: in use, attached, being changed */    \
    X(STRATEGY, 13, "strategy") /* the strategy is refused for this dataset or job */              \
    /* At this moment there is no room for it (connections, heavy requests, writes, backups, jobs, \
     * datasets), or the job it names is being created or dropped: ask again. */                   \
    X(BUSY, 14, "busy")                                                                            \
    X(STORE, 15, "store") /* the database could not write: full disk, I/O error */                 \
    X(NO_MEMORY, 16, "no_memory")                                                                  \
    X(SHUTTING_DOWN, 17, "shutting_down")                                                          \
    X(INTERNAL, 18, "internal") /* a defect of evendraw: please report it */                       \
    X(DENIED, 19, "denied")     /* this peer may not do that */                                    \
    X(CONNECT, 100, "connect")  /* no daemon at that address */                                    \
    X(CLOSED, 101, "closed")    /* the connection ended */                                         \
    X(TIMEOUT, 102, "timeout")  /* nothing came within the caller's time limit */                  \
    X(USAGE, 103, "usage")      /* the library was called wrongly */

/* The comma comes first because C89 allows none at the end. */
#define EVD_ERROR_CODE(NAME, code, name) , EVD_E_##NAME = code
enum evd_error_code { EVD_OK = 0 EVD_ERRORS(EVD_ERROR_CODE) };
#undef EVD_ERROR_CODE

#endif
