/* connect.c - see connect.h. */
#include "connect.h"

#include "program.h"
#include "stop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char CANNOT_CONNECT[] = "client: cannot connect to";

int try_to_connect(int connection, const struct addrinfo *address)
{
    const struct linger reset = {.l_onoff = 1};
    int error = 0;
    socklen_t size = sizeof error;

    for (;;) {
        /* Of a connect() that has failed meanwhile, only SO_ERROR tells why; and where it is not
         * asked first, a second connect() may begin anew. */
        if (getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) {
            errno = error;
            return -1;
        }
        if (connect(connection, address->ai_addr, address->ai_addrlen) == 0 || errno == EISCONN) {
            if (!is_connected_to_itself(connection))
                return 0;
            /* In TIME-WAIT it would keep the port from a server: close() is to reset it. */
            (void)setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            errno = ECONNREFUSED;
        }
        if (errno == EALREADY)
            errno = EINPROGRESS;
        if (errno != EINTR)
            return -1;
    }
}

/* Returns a connection to one address, or -1 with errno. */
static int connect_to_address(const struct addrinfo *address)
{
    int connection = open_socket(address);

    if (connection == -1)
        return -1;
    while (try_to_connect(connection, address) == -1) {
        if (errno == EINPROGRESS && wait_writable(connection))
            continue;
        int error = errno;
        (void)close(connection);
        errno = error;
        return -1;
    }
    return connection;
}

int connect_to(const char *host, const char *port, struct endpoint *peer)
{
    struct addrinfo *addresses = look_up(CANNOT_CONNECT, host, port);
    int connection = -1;
    int error = 0;

    if (addresses == NULL)
        return -1;
    for (struct addrinfo *next = addresses; next != NULL && connection == -1;
         next = next->ai_next) {
        connection = connect_to_address(next);
        error = errno;
        name_endpoint(next->ai_addr, next->ai_addrlen, peer);
    }
    freeaddrinfo(addresses);
    if (connection == -1)
        complain_about(CANNOT_CONNECT, host, port, strerror(error));
    return connection;
}

const char *explain_failure(int error)
{
    if (error == EPIPE || error == ECONNRESET)
        return "connection closed by server";
    return error == EBADMSG ? "the echo differs from what was sent" : strerror(error);
}

int complain_about_server(int error)
{
    const char *why = explain_failure(error);

    if (error == EPIPE || error == ECONNRESET || error == EBADMSG)
        return complain("client: %s", why);
    return complain("client: connection to the server failed: %s", why);
}
