/* listen.c - see listen.h. */
#include "listen.h"

#include "program.h"
#include "stop.h"
#include "stream.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const char CANNOT_LISTEN[] = "server: cannot listen on";

/* Returns a listening socket for one address, or -1 with errno. */
static int listen_on_address(const struct addrinfo *address)
{
    int on = 1;
    int listener = open_socket(address);

    if (listener == -1)
        return -1;
    /* Without SO_REUSEADDR, a server that is restarted fails with EADDRINUSE as long as connections
     * of its predecessor linger in TIME-WAIT (RFC 9293, 3.6.1). */
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(listener, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(listener, SOMAXCONN) == 0)
        return listener;

    int error = errno;
    (void)close(listener);
    errno = error;
    return -1;
}

int listen_on(const char *host, const char *port, struct endpoint *bound)
{
    struct addrinfo *addresses = look_up(CANNOT_LISTEN, host, port);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int listener = -1;
    int error = 0;

    if (addresses == NULL)
        return -1;
    /* A port in use is a failure: the next address of the same name would be another server. */
    for (struct addrinfo *next = addresses; next != NULL && listener == -1 && error != EADDRINUSE;
         next = next->ai_next) {
        listener = listen_on_address(next);
        error = errno;
    }
    freeaddrinfo(addresses);
    if (listener == -1) {
        complain_about(CANNOT_LISTEN, host, port, strerror(error));
        return -1;
    }
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        size = 0; /* it listens, but the system does not tell where */
    name_endpoint(&address, size, bound);
    return listener;
}

bool somebody_waits(int listener)
{
    struct pollfd readable = {.fd = listener, .events = POLLIN};

    return poll(&readable, 1, 0) == 1;
}

bool accept_can_go_on(int listener, int error, bool *starved)
{
    bool broken = error == EBADF || error == EFAULT || error == EINVAL || error == ENOTSOCK;
    bool nobody_waits = error == EAGAIN || error == EWOULDBLOCK;
    bool shortage = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;

    /* Some systems look for a descriptor before they look for a client. */
    if (nobody_waits || (shortage && !somebody_waits(listener)))
        shortage = *starved = false;
    if (broken || (shortage && !*starved))
        complain("server: cannot accept a connection: %s", strerror(error));
    *starved = *starved || shortage;
    return !broken;
}

bool wait_to_accept(int listener, int error)
{
    static bool starved;

    if (!accept_can_go_on(listener, error, &starved))
        return false;
    if (starved)
        pause_for_shortage();
    else
        (void)wait_readable(listener); /* that ends also when a stop is requested */
    return true;
}
