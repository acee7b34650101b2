/*
 * The frames of our protocol, for net.
 */
#ifndef HOST_FRAMING_H
#define HOST_FRAMING_H

#include "net/framing.h"
#include "proto/guard.h"

/* The limits must outlive its use. */
struct net_framing message_framing(const struct guard_limits *limits);

#endif
