/* client.c - v3-reverse: sends lines to a reverse-echo server and shows the answers.
 *
 *     ./client [HOST [PORT]]        ./client localhost 7200
 *
 * New since v1.0: a dialogue. Each line of stdin is a message, and the next one is asked for when
 * the answer has come, which is a line too, however many recv() it takes.
 */
#include "cli.h"
#include "connect.h"
#include "endpoint.h"
#include "program.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: client [HOST [PORT]]\n"
    "Sends lines of stdin to a reverse-echo server and shows the answers, until a line is end.\n"
    "  HOST, PORT  the server (localhost 7200)\n"
    "  -h, --help  show this\n";

/* The longest message that the server takes, in bytes, without its ending. */
enum { MESSAGE_SIZE = 65536 };

struct message {
    char bytes[MESSAGE_SIZE + 2]; /* with its ending, "\n" or "\r\n" */
    size_t size;
    size_t text_size; /* without the ending */
};

/* Receives some of an answer, behind what has come of it. Returns how many bytes came; or -1 with
 * errno: ECONNRESET if the server has closed. */
static ssize_t receive_answer(int connection, struct message *answer)
{
    ssize_t received =
        recv(connection, answer->bytes + answer->size, sizeof answer->bytes - answer->size, 0);

    if (received == -1 && errno == EINTR)
        return 0; /* a signal came first: nothing is lost, ask again */
    if (received == 0)
        errno = ECONNRESET; /* FIN, and something is still missing */
    if (received <= 0)
        return -1;
    answer->size += (size_t)received;
    return received;
}

/* Sends a message and receives its answer. Returns 0, or -1 after one line on stderr. */
static int exchange(int connection, const struct message *message, struct message *answer)
{
    const char *newline;

    answer->size = 0;
    if (send_all(connection, message->bytes, message->size) == -1)
        return complain_about_server(errno);
    /* The answer to one send() may take several recv(). */
    while ((newline = memchr(answer->bytes, '\n', answer->size)) == NULL) {
        if (answer->size == sizeof answer->bytes)
            return complain("client: the answer is longer than %d bytes", MESSAGE_SIZE);
        if (receive_answer(connection, answer) == -1)
            return complain_about_server(errno);
    }
    answer->text_size = (size_t)(newline - answer->bytes);
    /* A "\r" belongs to the ending, unless the message began with it and ended without. */
    bool is_text = message->bytes[0] == '\r' && message->size == message->text_size + 1;
    if (answer->text_size > 0 && newline[-1] == '\r' && !is_text)
        answer->text_size--;
    return 0;
}

/* Reads a line of stdin, and gives a newline to a last one that has none. One that is too long is
 * read to its end, and has only its size. Returns false at the end of stdin, or after an error,
 * which ferror() tells. */
static bool read_message(struct message *message)
{
    size_t size = 0;
    int byte;

    while ((byte = getchar()) != '\n') {
        if (byte == EOF && ferror(stdin) && errno == EINTR)
            clearerr(stdin); /* a signal came first: nothing is lost, ask again */
        else if (byte == EOF)
            break;
        else if (++size <= MESSAGE_SIZE + 1)
            message->bytes[size - 1] = (char)byte;
    }
    if (byte == EOF && (size == 0 || ferror(stdin)))
        return false;
    message->text_size = size;
    if (size > 0 && size <= MESSAGE_SIZE + 1 && message->bytes[size - 1] == '\r')
        message->text_size--;
    if (message->text_size <= MESSAGE_SIZE)
        message->bytes[size] = '\n';
    message->size = size + 1;
    return true;
}

static void show(const char *what, const struct message *message)
{
    static char text[4 * MESSAGE_SIZE + 1];

    printf("%s%s\n", what, escape(text, message->bytes, message->text_size));
}

/* Asks for messages and shows their answers, until one is `end` or there are no more. Returns 0, or
 * -1 after one line on stderr. */
static int exchange_stdin(int connection)
{
    static struct message message, answer;

    for (;;) {
        printf("Client enter message: ");
        if (fflush(stdout) == EOF)
            return 0; /* nobody reads this: finish_output() says so */
        if (!read_message(&message))
            break;
        if (message.text_size > MESSAGE_SIZE) {
            putchar('\n');
            complain("client: message longer than %d bytes", MESSAGE_SIZE);
            continue;
        }
        if (!isatty(STDIN_FILENO))
            show("", &message); /* a terminal shows what is typed */
        else if (feof(stdin))
            putchar('\n'); /* a last line that was ended by Ctrl-D alone */
        if (exchange(connection, &message, &answer) == -1)
            return -1;
        show("Client received: ", &answer);
        if (message.text_size == 3 && memcmp(message.bytes, "end", 3) == 0 &&
            answer.text_size == 3 && memcmp(answer.bytes, "dne", 3) == 0) {
            printf("Client termination called by message \"end\" and response \"dne\"\n");
            return 0;
        }
    }
    int error = errno;
    putchar('\n');
    return ferror(stdin) ? complain("client: cannot read stdin: %s", strerror(error)) : 0;
}

int main(int argc, char *argv[])
{
    struct command_line line = {.usage = USAGE, .options = "", .host = "localhost", .port = "7200"};
    struct endpoint peer;

    start_program(); /* SIGPIPE is ignored: a server that is gone is an error to report */
    if (!parse_client(&line, argc, argv))
        return line.status;

    int connection = connect_to(line.host, line.port, &peer); /* socket, connect */
    if (connection == -1)
        return EXIT_FAILURE;
    printf("Client connection made with server at %s : %s\n", line.host, line.port);

    int result = exchange_stdin(connection);

    (void)close(connection);
    return result == 0 ? finish_output() : EXIT_FAILURE;
}
