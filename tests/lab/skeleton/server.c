/* server.c - v1.0-single: an echo server for one client.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 127.0.0.1 65432
 *
 * This one is yours to write. It compiles, and does nothing yet.
 *
 * The life of every TCP server: socket, bind, listen, accept, recv, send, close.
 * Functions that later stages have, too: accept_client(); serve_client(), which does one turn, from
 * recv() to send(); close_client().
 *
 * Begin with the command line: parse_server() in ../common/cli.h reads it. What is printed, and
 * when, says CONTRACT.md. `make check` tells what is next.
 */
#include <stdlib.h>

int main(int argc, char *argv[])
{
    (void)argc;
    (void)argv;
    return EXIT_SUCCESS;
}
