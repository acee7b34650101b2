/*
 * Stopping, stage by stage (host/internal.h).
 */
#ifndef HOST_STOP_H
#define HOST_STOP_H

struct host;

/* From HOST_SERVING to HOST_LEASES; the loop ends when HOST_CLOSING is over. */
void stop_begin(struct host *host);
/* Something has ended: is it time for the next stage? */
void stop_proceed(struct host *host);

#endif
