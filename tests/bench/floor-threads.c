/* floor-threads.c - the least that an echo server with a thread for each client can do.
 *
 *     floor-threads [-w] PORT
 *
 * A yardstick, not an example: it checks nothing, and limits nothing. With -w it says a welcome
 * first, as v2 does: half of what such a server sends to a client that comes, says a word, and
 * goes.
 */
#include "floor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static const char WELCOME[] = "\n\nWelcome to my server\n\n\n";
static bool is_polite;

static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char piece[PIECE_SIZE];
    ssize_t size;

    if (is_polite)
        (void)send(connection, WELCOME, sizeof WELCOME - 1, 0);
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

    is_polite = argc > 2;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;)
        (void)pthread_create(&thread, &attributes, serve,
                             (void *)(intptr_t)accept(listener, NULL, NULL));
}
