/* floor-poll.c - the least that an echo server with poll() can do.
 *
 *     floor-poll PORT
 *
 * A yardstick, not an example: it checks nothing, and one client that does not read stops it.
 */
#include "floor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { LARGEST = 65536 };

int main(int argc, char *argv[])
{
    static struct pollfd polled[LARGEST];
    static char piece[2 * PIECE_SIZE]; /* as in v1.1 */
    nfds_t count = 1;
    int connection;

    polled[0] = (struct pollfd){.fd = listen_at(argv[argc - 1]), .events = POLLIN};
    (void)fcntl(polled[0].fd, F_SETFL, O_NONBLOCK);
    for (;;) {
        int ready = poll(polled, count, -1);
        for (nfds_t i = count; ready > 0 && i-- > 1;) {
            if (polled[i].revents == 0)
                continue;
            ready--;
            ssize_t size = recv(polled[i].fd, piece, sizeof piece, 0);
            if (size <= 0 || send(polled[i].fd, piece, (size_t)size, 0) == -1) {
                (void)close(polled[i].fd);
                polled[i] = polled[--count];
            }
        }
        while (ready > 0 && (connection = accept(polled[0].fd, NULL, NULL)) != -1)
            polled[count++] = (struct pollfd){.fd = connection, .events = POLLIN};
    }
}
