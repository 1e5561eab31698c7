/* loads.h - the loads that the generator puts on a server. Each returns only if all bytes came back
 * right. */
#ifndef LOADS_H
#define LOADS_H

#include "connection.h"
#include "measurement.h"

/* `clients` connections at once, each with `window` messages on their way: with one it is
 * ping-pong, with several a stream. Counts messages that came back. */
void converse(struct measurement *result, const struct script *script, size_t clients,
              size_t window);

/* `clients` at once connect, say one message, get the answer, and leave; others take their places.
 * Counts connections. */
void come_and_go(struct measurement *result, const struct script *script, size_t clients);

/* Opens connections, which say one message and stay, until `crowd` has `count` of them; the first
 * `open` are there. */
void gather(struct connection *crowd, const struct script *script, size_t open, size_t count);

/* `clients` connections; each says a message, when its last one has come back, and all get all of
 * them. Counts messages that each got. */
void broadcast(struct measurement *result, const struct script *script, size_t clients);

/* `clients` connections, the first `senders` of which say messages as fast as they can, and all get
 * all of them. Counts messages that each got. */
void flood(struct measurement *result, const struct script *script, size_t clients, size_t senders);

#endif
