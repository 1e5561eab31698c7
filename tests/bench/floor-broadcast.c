/* floor-broadcast.c - the least that a broadcast with a thread for each client can do: a lock, and
 * a loop that sends to all.
 *
 *     floor-broadcast PORT
 *
 * A yardstick, not an example: it checks nothing, and one client that does not read stops it. The
 * welcome tells a client that it is in the table.
 */
#include "floor.h"

#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum { LARGEST = 65536 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int connections[LARGEST]; /* guarded by the lock, and so is the count */
static size_t count;

static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char piece[PIECE_SIZE];
    ssize_t size;
    size_t place = 0;

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
    pthread_attr_t attributes;
    pthread_t thread;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        (void)pthread_mutex_lock(&lock);
        connections[count++] = connection;
        (void)send(connection, "\n\nWelcome to my server\n\n\n", 25, 0);
        (void)pthread_mutex_unlock(&lock);
        (void)pthread_create(&thread, &attributes, serve, (void *)(intptr_t)connection);
    }
}
