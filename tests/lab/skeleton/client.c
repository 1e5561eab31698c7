/* client.c - v1.0-single: sends one message to an echo server and checks what comes back.
 *
 *     ./client [-q] [HOST [PORT [MESSAGE]]]        ./client 127.0.0.1 65432 'Hello, world'
 *     ./client HOST PORT - < in > out              sends a file
 *
 * This one is yours to write. It compiles, and does nothing yet.
 *
 * The life of every TCP client: socket, connect, send, recv, close.
 * Functions that later stages have, too: exchange(), which sends a piece and receives its echo, and
 * receive_echo(), which receives some of it.
 *
 * Begin with the command line: parse_client() in ../common/cli.h reads it. What is printed, and
 * when, says CONTRACT.md. `make check` tells what is next.
 */
#include <stdlib.h>

int main(int argc, char *argv[])
{
    (void)argc;
    (void)argv;
    return EXIT_SUCCESS;
}
