/* libuv.c - an echo server with libuv.
 *
 *     libuv PORT
 */
#include "../floor.h"

#include <uv.h>

struct answer {
    uv_write_t request; /* first: libuv hands it back */
    uv_buf_t piece;
};

static void give_room(uv_handle_t *client, size_t size, uv_buf_t *room)
{
    (void)client;
    *room = uv_buf_init(malloc(size), (unsigned)size);
}

static void forget(uv_handle_t *client)
{
    free(client);
}

static void answered(uv_write_t *request, int status)
{
    struct answer *answer = (struct answer *)request;

    (void)status; /* the next read fails too */
    free(answer->piece.base);
    free(answer);
}

static void echo(uv_stream_t *client, ssize_t size, const uv_buf_t *piece)
{
    if (size > 0) {
        struct answer *answer = malloc(sizeof *answer);
        answer->piece = uv_buf_init(piece->base, (unsigned)size);
        (void)uv_write(&answer->request, client, &answer->piece, 1, answered);
        return;
    }
    free(piece->base);
    if (size < 0)
        uv_close((uv_handle_t *)client, forget);
}

static void enter(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);

    (void)status;
    (void)uv_tcp_init(listener->loop, client);
    (void)uv_accept(listener, (uv_stream_t *)client);
    (void)uv_read_start((uv_stream_t *)client, give_room, echo);
}

int main(int argc, char *argv[])
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;

    (void)uv_tcp_init(loop, &listener);
    if (uv_tcp_open(&listener, listen_at(argv[argc - 1])) != 0 ||
        uv_listen((uv_stream_t *)&listener, SOMAXCONN, enter) != 0)
        return EXIT_FAILURE;
    return uv_run(loop, UV_RUN_DEFAULT);
}
