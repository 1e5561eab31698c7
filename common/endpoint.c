/* endpoint.c - see endpoint.h. */
#include "endpoint.h"

#include "program.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

void name_endpoint(const void *address, socklen_t size, struct endpoint *endpoint)
{
    if (getnameinfo(address, size, endpoint->host, sizeof endpoint->host, endpoint->port,
                    sizeof endpoint->port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)strcpy(endpoint->host, "?");
        (void)strcpy(endpoint->port, "?");
    }
    bool needs_brackets = strchr(endpoint->host, ':') != NULL; /* RFC 3986, 3.2.2 */
    (void)snprintf(endpoint->address, sizeof endpoint->address,
                   needs_brackets ? "[%s]:%s" : "%s:%s", endpoint->host, endpoint->port);
}

void complain_about(const char *what, const char *host, const char *port, const char *why)
{
    enum { SHOWN_BYTES = 100 }; /* they can be anything, and of any length */
    char shown[4 * SHOWN_BYTES + 1];
    bool needs_brackets = strchr(host, ':') != NULL;

    escape(shown, host, strlen(host) < SHOWN_BYTES ? strlen(host) : SHOWN_BYTES);
    complain(needs_brackets ? "%s [%s]:%.*s: %s" : "%s %s:%.*s: %s", what, shown, SHOWN_BYTES, port,
             why);
}

struct addrinfo *look_up(const char *what, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, /* IPv4 and IPv6 */
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    int error = getaddrinfo(host, port, &hints, &addresses);

    if (error == 0)
        return addresses;
    complain_about(what, host, port, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return NULL;
}

int open_socket(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);

    /* Connections inherit both options from their listener. A system that refuses them still works:
     * it is slow without the first, and without the second, recv() leaves out an urgent byte. */
    if (fd != -1) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    }
    return fd;
}

int set_blocking(int socket, bool blocking)
{
    int flags = fcntl(socket, F_GETFL);

    if (flags == -1)
        return -1;
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(socket, F_SETFL, flags) == -1 ? -1 : 0;
}

bool is_connected_to_itself(int connection)
{
    struct sockaddr_storage self = {0}, peer = {0};
    socklen_t self_size = sizeof self, peer_size = sizeof peer;

    return getsockname(connection, (struct sockaddr *)&self, &self_size) == 0 &&
           getpeername(connection, (struct sockaddr *)&peer, &peer_size) == 0 &&
           self_size == peer_size && memcmp(&self, &peer, self_size) == 0;
}
