/* server.c - v3-reverse: answers each message with its characters in reverse order.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 0.0.0.0 7200
 *
 * A byte stream has no messages: what was sent at once may come in pieces, and what was sent in
 * pieces may come at once. So the two sides agree on a protocol: a message is a line.
 *
 * New since v1.0: messages, cut out of the stream wherever TCP has cut it, one that ends the
 * server, and one client after another.
 */
#include "cli.h"
#include "endpoint.h"
#include "listen.h"
#include "program.h"
#include "stop.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: server [-q] [[HOST] PORT]\n"
    "Answers each line with its characters in reverse order, until a client sends end, or\n"
    "SIGINT or SIGTERM stops it.\n"
    "  HOST, PORT  where to listen (0.0.0.0 7200); port 0: one that the system chooses\n"
    "  -q          do not show the messages\n"
    "  -h, --help  show this\n";

/* The longest message, in bytes, without its ending. With no limit, a client that never ends its
 * line could make the server keep more and more of it. */
enum { MESSAGE_SIZE = 65536 };

/* How a connection ends: by the client, unless something else comes first. */
enum ending { BY_CLIENT, BY_LONG_MESSAGE, BY_END, BY_STOP };

struct client {
    int connection;
    struct endpoint peer; /* its address and port, as messages show them */
    enum ending ending;
    char input[MESSAGE_SIZE + 2]; /* what is not answered yet: a message and "\r\n" have room */
    size_t size;
};

/* Accepts a client, and says so. Returns false, with the errno of accept(), if that fails. */
static bool accept_client(int listener, struct client *client)
{
    struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
    socklen_t size = sizeof address;

    client->connection = accept(listener, (struct sockaddr *)&address, &size);
    if (client->connection == -1)
        return false;
    block_until_stop(client->connection);
    client->ending = BY_CLIENT;
    client->size = 0;
    name_endpoint(&address, size, &client->peer);
    say("Server connection made with client ('%s', %s)", client->peer.host, client->peer.port);
    return true;
}

/* Writes the characters of a message in reverse order to `answer`. A character is what UTF-8 makes
 * of its bytes, and these keep their order; a byte that is not UTF-8 is a character of its own. */
static void reverse(char *answer, const char *message, size_t size)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        length = utf8_length((const unsigned char *)message + i, size - i);
        if (length == 0 || length == UTF8_UNFINISHED)
            length = 1;
        memcpy(answer + size - i - length, message + i, length);
    }
}

/* Writes the answers to all whole messages in the input to `answers`, to be sent together: each is
 * as long as its message, and ends as it did. The last `received` bytes are new; 0: the client has
 * ended its half, which ends a message too. Returns how many bytes are answered. */
static size_t answer_messages(struct client *client, char *answers, size_t received, bool quiet)
{
    static char text[4 * MESSAGE_SIZE + 1];
    const char *message = client->input, *end = message + client->size;
    const char *unsearched = end - received; /* no newline stands before it */

    while (client->ending == BY_CLIENT) {
        const char *newline = memchr(unsearched, '\n', (size_t)(end - unsearched));
        bool is_whole = newline != NULL || (received == 0 && message < end);
        size_t size = (size_t)((newline != NULL ? newline : end) - message);
        if ((newline != NULL || received > 0) && size > 0 && message[size - 1] == '\r')
            size--; /* it belongs to the ending, or will when that comes */
        if (size > MESSAGE_SIZE)
            client->ending = BY_LONG_MESSAGE;
        if (size > MESSAGE_SIZE || !is_whole)
            break;

        char *answer = answers + (message - client->input);
        const char *next = newline != NULL ? newline + 1 : end;
        reverse(answer, message, size);
        memcpy(answer + size, message + size, (size_t)(next - message) - size); /* the ending */
        if (size == 3 && memcmp(message, "end", 3) == 0)
            client->ending = BY_END;
        if (!quiet) {
            say("Server received: %s", escape(text, message, size));
            say("Server sent: %s", escape(text, answer, size));
        }
        message = unsearched = next;
    }
    return (size_t)(message - client->input);
}

/* Answers what comes next. Returns false when that was all, or the client is gone. */
static bool serve_client(struct client *client, bool quiet)
{
    static char answers[sizeof client->input];
    ssize_t received = recv(client->connection, client->input + client->size,
                            sizeof client->input - client->size, 0);

    if (received == -1 && errno == EINTR)
        return true; /* a signal came first: nothing is lost, ask again */
    if (received == -1 && is_only_for_now(errno))
        client->ending = BY_STOP; /* EAGAIN: all that came before the stop is answered */
    if (received == -1)
        return false; /* the client is gone, with a reset (ECONNRESET) for instance */

    client->size += (size_t)received;
    size_t answered = answer_messages(client, answers, (size_t)received, quiet);
    /* send() may take only some of it (a short write); send_all() goes on with the rest. */
    if (send_all(client->connection, answers, answered) == -1)
        return false; /* EPIPE or ECONNRESET: nobody is left to take it */
    client->size -= answered;
    memmove(client->input, client->input + answered, client->size);
    return received > 0 && client->ending == BY_CLIENT; /* 0: the client has ended its half (FIN) */
}

static void close_client(struct client *client)
{
    /* What came behind `end` is unread: close() alone could cost the client its `dne`. */
    end_gently(&(struct pollfd){.fd = client->connection}, 1);
    (void)close(client->connection);
    if (client->ending == BY_LONG_MESSAGE)
        complain("server: message longer than %d bytes from %s", MESSAGE_SIZE,
                 client->peer.address);
    if (client->ending == BY_CLIENT && stop_time_left() != 0)
        say("Server connection closed by client ('%s', %s)", client->peer.host, client->peer.port);
}

int main(int argc, char *argv[])
{
    struct command_line line = {.usage = USAGE, .options = "q", .host = "0.0.0.0", .port = "7200"};
    struct endpoint self;
    static struct client client; /* zero: BY_CLIENT */

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    if (stop_on_signals() == -1)
        return EXIT_FAILURE;

    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    (void)set_blocking(listener, false); /* accept() must not wait: it would not see a stop */
    say("Server can now receive from port %s", self.port);

    while (client.ending != BY_END && !stop_is_requested()) {
        if (accept_client(listener, &client)) {
            while (stop_time_left() != 0 && serve_client(&client, line.quiet))
                continue; /* one piece a turn */
            close_client(&client);
        } else if (!wait_to_accept(listener, errno)) {
            return EXIT_FAILURE;
        }
    }
    (void)close(listener);
    say("Server termination called by %s", client.ending == BY_END ? "\"end\"" : "signal");
    return EXIT_SUCCESS;
}
