/* connect.h - connecting to a server. */
#ifndef CONNECT_H
#define CONNECT_H

#include "endpoint.h"

/* Returns a socket that is connected to the first address of HOST that answers, and its name in
 * `peer`. The caller closes it. Waits as long as the system tries. Returns -1 after one line on
 * stderr (POSIX: connect()). */
int connect_to(const char *host, const char *port, struct endpoint *peer);

/* Returns what it means to a client that talking to its server failed with `error`: EPIPE and
 * ECONNRESET, that the server has closed the connection; EBADMSG, that what came is not the echo of
 * what was sent; others, what strerror() says. */
const char *explain_failure(int error);

/* Says in one line on stderr what explain_failure() returns. Returns -1. */
int complain_about_server(int error);

/* Connects a socket to an address. Returns 0, or -1 with the errno of connect(); ECONNREFUSED, too,
 * if it got connected to itself, as nobody listens there. After any error but
 * EINPROGRESS the socket is of no use; the caller closes it. EINPROGRESS: call it again when the
 * socket is writable, to finish (POSIX: connect()). A signal does not stop a connect(), only the
 * waiting for it: after EINTR it is called again. */
int try_to_connect(int connection, const struct addrinfo *address);

#endif
