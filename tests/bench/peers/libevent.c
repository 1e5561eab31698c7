/* libevent.c - an echo server with libevent's buffers.
 *
 *     libevent PORT
 */
#include "../floor.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void echo(struct bufferevent *client, void *unused)
{
    (void)unused;
    (void)bufferevent_write_buffer(client, bufferevent_get_input(client));
}

static void leave(struct bufferevent *client, short what, void *unused)
{
    (void)unused;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
        bufferevent_free(client);
}

static void enter(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                  int size, void *unused)
{
    struct bufferevent *client =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)address;
    (void)size;
    (void)unused;
    bufferevent_setcb(client, echo, NULL, leave, NULL);
    (void)bufferevent_set_max_single_read(client, PIECE_SIZE);
    (void)bufferevent_set_max_single_write(client, PIECE_SIZE);
    (void)bufferevent_enable(client, EV_READ | EV_WRITE);
}

int main(int argc, char *argv[])
{
    struct event_base *base = event_base_new();
    int listener = listen_at(argv[argc - 1]);

    (void)evutil_make_socket_nonblocking(listener);
    if (evconnlistener_new(base, enter, NULL, 0, 0, listener) == NULL)
        return EXIT_FAILURE;
    return event_base_dispatch(base);
}
