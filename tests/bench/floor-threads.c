/* floor-threads.c - the least that an echo server with a thread for each client can do.
 *
 *     floor-threads PORT
 *
 * A yardstick, not an example: it checks nothing, and limits nothing.
 */
#include "floor.h"

#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char piece[PIECE_SIZE];
    ssize_t size;

    while ((size = recv(connection, piece, sizeof piece, 0)) > 0)
        (void)send(connection, piece, (size_t)size, 0);
    (void)close(connection);
    return NULL;
}

int main(int argc, char *argv[])
{
    int listener = listen_at(argv[argc - 1]);
    pthread_attr_t attributes;
    pthread_t thread;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;)
        (void)pthread_create(&thread, &attributes, serve,
                             (void *)(intptr_t)accept(listener, NULL, NULL));
}
