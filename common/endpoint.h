/* endpoint.h - sockets and the addresses at both ends of a connection: finding and showing them. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
    HOST_SIZE = 64,                          /* an IPv6 address with its scope, and a NUL */
    PORT_SIZE = 6,                           /* 65535 and a NUL */
    ADDRESS_SIZE = HOST_SIZE + PORT_SIZE + 2 /* [HOST]:PORT and a NUL */
};

/* One end of a connection, as people write it. Always numeric: a name would have to be asked for,
 * and a name server that does not answer would stop the program. */
struct endpoint {
    char host[HOST_SIZE];       /* 127.0.0.1 or ::1 */
    char port[PORT_SIZE];       /* 65432 */
    char address[ADDRESS_SIZE]; /* 127.0.0.1:65432 or [::1]:65432 */
};

/* Writes down a socket address of `size` bytes, as accept(), getsockname() or getaddrinfo() gave
 * it. Cannot fail; what the system cannot name is "?" (POSIX: getnameinfo()). */
void name_endpoint(const void *address, socklen_t size, struct endpoint *endpoint);

/* Returns the addresses, IPv4 and IPv6, of HOST and PORT, in the order in which to try them; the
 * caller frees them with freeaddrinfo(). Returns NULL after one line on stderr that begins with
 * `what`, as in "client: cannot connect to" (POSIX: getaddrinfo()). */
struct addrinfo *look_up(const char *what, const char *host, const char *port);

/* Writes such a line: `what`, the first 100 bytes of HOST and PORT as they were given, and why. */
void complain_about(const char *what, const char *host, const char *port, const char *why);

/* Returns a socket for an address, with TCP_NODELAY, which turns Nagle's algorithm off (RFC 896;
 * RFC 9293, 3.7.4): a small message goes out at once instead of waiting until the one before is
 * acknowledged. And with SO_OOBINLINE: a byte that the peer marks as urgent (MSG_OOB) keeps its
 * place in the stream (RFC 6093, 6). The caller closes it. Returns -1 with the errno of socket()
 * (POSIX: socket()). */
int open_socket(const struct addrinfo *address);

/* Makes a socket block, or fail with EAGAIN (POSIX: fcntl()). Returns 0, or -1 with errno. */
int set_blocking(int socket, bool blocking);

/* Returns whether a connection is one to itself. That happens where nobody listens, and the system
 * gives a client the very port that it asks for: its SYN is answered by its own (RFC 9293, 3.5:
 * simultaneous open; POSIX: getsockname(), getpeername()). */
bool is_connected_to_itself(int connection);

#endif
