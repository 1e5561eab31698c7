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
    "  -q          do not show what is received and sent\n"
    "  -h, --help  show this\n";

/* The longest message, in bytes, without its ending. With no limit, a client that never ends its
 * line could make the server keep more and more of it. */
enum { MESSAGE_SIZE = 65536 };

/* Received and not answered yet: a whole message with its ending "\r\n" has room. */
struct input {
    char bytes[MESSAGE_SIZE + 2];
    size_t size;
};

/* What becomes of a connection. */
enum outcome { GOES_ON, CLIENT_LEFT, MESSAGE_TOO_LONG, END_RECEIVED, STOP_REQUESTED };

/* Before a connection is closed, its client has so long to take what is on its way to it. */
enum { CLOSE_MS = 1000 };

/* Waits for a client. Returns its connection, which the caller closes, and its name in `peer`; or
 * -1 if a stop is requested, or if the listener is of no use any more, after one line on stderr.
 * *starved: a shortage was reported, and clients may still wait because of it. */
static int accept_connection(int listener, struct endpoint *peer, bool *starved)
{
    while (wait_readable(listener)) {
        struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
        socklen_t size = sizeof address;
        int connection = accept(listener, (struct sockaddr *)&address, &size);
        if (connection != -1) {
            name_endpoint(&address, size, peer);
            *starved = *starved && client_waits(listener);
            return connection;
        }
        /* The client may have left while it waited, or a signal may have come (EINTR): that is no
         * reason to give up. */
        if (!accept_can_go_on(errno, starved))
            return -1;
    }
    return -1;
}

static void reverse_bytes(char *bytes, size_t size)
{
    for (size_t left = 0, right = size; left + 1 < right; left++) {
        char byte = bytes[left];
        bytes[left] = bytes[--right];
        bytes[right] = byte;
    }
}

static bool is_ascii(const char *text, size_t size)
{
    unsigned char all = 0;

    for (size_t i = 0; i < size; i++)
        all |= (unsigned char)text[i];
    return all < 0x80;
}

/* Reverses the characters of a text, in place. A character is what UTF-8 makes of its bytes, so
 * these must keep their order: they are reversed twice. */
static void reverse(char *text, size_t size)
{
    size_t length;

    /* In ASCII each character is one byte: there is nothing to do twice. */
    for (size_t i = is_ascii(text, size) ? size : 0; i < size; i += length) {
        length = utf8_length((const unsigned char *)text + i, size - i);
        if (length == 0 || length == UTF8_UNFINISHED)
            length = 1; /* not UTF-8: a byte is a character of its own */
        reverse_bytes(text + i, length);
    }
    reverse_bytes(text, size);
}

/* Shows what was received or sent. */
static void show(const char *what, const char *message, size_t size)
{
    static char text[4 * MESSAGE_SIZE + 1];

    escape(text, message, size);
    say("Server %s: %s", what, text);
}

/* Turns a message into its answer, in place. */
static enum outcome answer(char *message, size_t size, bool quiet)
{
    bool is_end = size == 3 && memcmp(message, "end", 3) == 0;

    if (size > MESSAGE_SIZE)
        return MESSAGE_TOO_LONG;
    if (!quiet)
        show("received", message, size);
    reverse(message, size);
    if (!quiet)
        show("sent", message, size);
    return is_end ? END_RECEIVED : GOES_ON;
}

/* Answers the whole messages in the input, in place: an answer is as long as its message, and ends
 * as it did. The last `received` bytes are new; 0 means that the client has ended its half, which
 * ends a message too. Sets *answered to how many bytes can be sent. */
static enum outcome answer_messages(struct input *input, size_t received, bool quiet,
                                    size_t *answered)
{
    enum outcome outcome = GOES_ON;
    char *message = input->bytes;
    char *end = input->bytes + input->size;
    char *searched = end - received; /* no newline before it */
    char *newline;

    while (outcome == GOES_ON && (newline = memchr(searched, '\n', (size_t)(end - searched)))) {
        bool has_return = newline > message && newline[-1] == '\r';
        outcome = answer(message, (size_t)(newline - message) - has_return, quiet);
        if (outcome != MESSAGE_TOO_LONG)
            message = searched = newline + 1;
    }
    size_t rest = (size_t)(end - message);
    if (outcome == GOES_ON && received == 0 && rest > 0) {
        outcome = answer(message, rest, quiet);
        if (outcome != MESSAGE_TOO_LONG)
            message = end;
    } else if (outcome == GOES_ON && rest > MESSAGE_SIZE) {
        /* Too long already, unless its last byte is the "\r" of its ending. */
        outcome = rest == MESSAGE_SIZE + 1 && end[-1] == '\r' ? GOES_ON : MESSAGE_TOO_LONG;
    }
    *answered = (size_t)(message - input->bytes);
    return outcome;
}

/* Answers messages until the connection ends. Returns why it has. */
static enum outcome serve_client(int connection, bool quiet)
{
    static struct input input;

    input.size = 0;
    while (stop_time_left() != 0) {
        ssize_t received =
            recv(connection, input.bytes + input.size, sizeof input.bytes - input.size, 0);
        if (received == -1 && errno == EINTR)
            continue; /* a signal came first: nothing is lost, ask again */
        if (received == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return STOP_REQUESTED; /* and all that has come is answered */
        if (received == -1)
            return CLIENT_LEFT; /* ECONNRESET for instance */

        size_t answered;
        input.size += (size_t)received;
        enum outcome outcome = answer_messages(&input, (size_t)received, quiet, &answered);
        /* The answers to messages that came together go together: one send() for all of them. */
        if (send_all(connection, input.bytes, answered) == -1 && outcome == GOES_ON)
            outcome = stop_time_left() == -1 ? CLIENT_LEFT : STOP_REQUESTED;
        if (outcome != GOES_ON)
            return outcome;
        if (received == 0)
            return CLIENT_LEFT;
        input.size -= answered;
        memmove(input.bytes, input.bytes + answered, input.size);
    }
    return STOP_REQUESTED;
}

int main(int argc, char *argv[])
{
    struct command_line line = {.usage = USAGE, .options = "q", .host = "0.0.0.0", .port = "7200"};
    struct endpoint self, peer;
    enum outcome outcome = GOES_ON;
    bool starved = false; /* out of descriptors or memory, and said so */
    int connection;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    if (stop_on_signals() == -1)
        return EXIT_FAILURE;

    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    /* A client that poll() has seen may be gone before accept(), which would wait for another. */
    if (set_blocking(listener, false) == -1) {
        complain("server: cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    say("Server can now receive from port %s", self.port);

    while (outcome != END_RECEIVED && outcome != STOP_REQUESTED &&
           (connection = accept_connection(listener, &peer, &starved)) != -1) {
        say("Server connection made with client ('%s', %s)", peer.host, peer.port);
        /* Some systems hand on that the listener does not block. This one blocks until the stop. */
        (void)set_blocking(connection, true);
        stop_unblocks(connection);
        outcome = serve_client(connection, line.quiet);
        stop_unblocks(-1);
        if (outcome == MESSAGE_TOO_LONG)
            complain("server: message longer than %d bytes from %s", MESSAGE_SIZE, peer.address);
        /* What came behind `end` is unread: close alone could cost the client its `dne`. */
        close_gently(connection, CLOSE_MS);
        if (outcome == CLIENT_LEFT)
            say("Server connection closed by client ('%s', %s)", peer.host, peer.port);
    }

    (void)close(listener);
    if (outcome != END_RECEIVED && stop_time_left() == -1)
        return EXIT_FAILURE;
    say("Server termination called by %s", outcome == END_RECEIVED ? "\"end\"" : "signal");
    return EXIT_SUCCESS;
}
