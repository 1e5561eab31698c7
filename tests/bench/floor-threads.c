/* floor-threads.c - the least that a server with a thread for each client can do.
 *
 *     floor-threads [-w|-b] PORT
 *
 * A yardstick, not an example: it checks nothing, and limits nothing. With -w it says a welcome
 * first, as v2 does: half of what such a server sends to a client that comes, says a word, and
 * goes. With -b it sends to all what comes from anyone, with a lock and a loop; the welcome tells a
 * client that it is in the table, and one client that does not read stops it.
 */
#include "floor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

enum { LARGEST = 65536 };

static const char WELCOME[] = "\n\nWelcome to my server\n\n\n";
static bool is_polite;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int connections[LARGEST]; /* guarded by the lock, and so is the count */
static size_t count;

static void *echo(void *argument)
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

static void *broadcast(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char piece[PIECE_SIZE];
    ssize_t size;
    size_t place = 0;

    (void)pthread_mutex_lock(&lock);
    connections[count++] = connection;
    (void)send(connection, WELCOME, sizeof WELCOME - 1, 0);
    (void)pthread_mutex_unlock(&lock);
    while ((size = recv(connection, piece, sizeof piece, 0)) > 0) {
        (void)pthread_mutex_lock(&lock);
        for (size_t i = 0; i < count; i++)
            (void)send(connections[i], piece, (size_t)size, 0);
        (void)pthread_mutex_unlock(&lock);
    }
    (void)pthread_mutex_lock(&lock);
    while (connections[place] != connection)
        place++;
    connections[place] = connections[--count];
    (void)pthread_mutex_unlock(&lock);
    (void)close(connection);
    return NULL;
}

int main(int argc, char *argv[])
{
    int listener = listen_at(argv[argc - 1]);
    void *(*serve)(void *) = argc > 2 && argv[1][1] == 'b' ? broadcast : echo;
    pthread_attr_t attributes;
    pthread_t thread;

    is_polite = argc > 2;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;)
        (void)pthread_create(&thread, &attributes, serve,
                             (void *)(intptr_t)accept(listener, NULL, NULL));
}
