/* client.c - v3-reverse: sends lines to a reverse-echo server and shows the answers.
 *
 *     ./client [HOST [PORT]]        ./client localhost 7200
 *
 * New since v1.0: a dialogue. Each line of stdin is a message, and the next one is asked for when
 * its answer has come: also a line, however many recv() it takes. stdio collects it.
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
#include <unistd.h>

static const char USAGE[] =
    "usage: client [HOST [PORT]]\n"
    "Sends each line of stdin to a reverse-echo server and shows the answer, until the line\n"
    "is end.\n"
    "  HOST, PORT  the server (localhost 7200)\n"
    "  -h, --help  show this\n";

/* The longest message that the server takes, in bytes, without its ending. */
enum { MESSAGE_SIZE = 65536 };

struct line {
    char bytes[MESSAGE_SIZE + 2]; /* the message and its ending, "\n" or "\r\n" */
    size_t size;
    size_t message_size; /* without the ending */
};

enum result { LINE, TOO_LONG, NO_LINE };

/* The same as getc(), but a signal does not end it. */
static int get_byte(FILE *stream)
{
    int byte;

    while ((byte = getc(stream)) == EOF && ferror(stream) && errno == EINTR)
        clearerr(stream); /* a signal came first: nothing is lost, ask again */
    return byte;
}

/* Reads a line. Gives a newline to a last line that has none. Returns NO_LINE at the end of the
 * stream, or after an error, which ferror() tells. Returns TOO_LONG if the longest message and its
 * ending do not hold the line; the rest of it is still to be read. */
static enum result read_line(FILE *stream, struct line *line)
{
    int byte = 0;

    line->size = 0;
    while (byte != '\n' && line->size < sizeof line->bytes) {
        byte = get_byte(stream);
        if (byte == EOF && (line->size == 0 || ferror(stream)))
            return NO_LINE;
        if (byte == EOF)
            byte = '\n';
        line->bytes[line->size++] = (char)byte;
    }
    line->message_size = line->size - 1;
    if (line->message_size > 0 && line->bytes[line->message_size - 1] == '\r')
        line->message_size--;
    return byte == '\n' && line->message_size <= MESSAGE_SIZE ? LINE : TOO_LONG;
}

static void skip_rest(FILE *stream, const struct line *line)
{
    int byte = (unsigned char)line->bytes[line->size - 1]; /* a char could be -1, and EOF is */

    while (byte != '\n' && byte != EOF)
        byte = get_byte(stream);
}

static bool is(const struct line *line, const char *text)
{
    return line->message_size == strlen(text) && memcmp(line->bytes, text, strlen(text)) == 0;
}

static void show(const char *what, const struct line *line)
{
    static char text[4 * MESSAGE_SIZE + 1];

    escape(text, line->bytes, line->message_size);
    printf("%s%s\n", what, text);
}

/* Sends a message and receives its answer. Returns 0, or -1 after one line on stderr. */
static int exchange(int connection, const struct line *message, FILE *answers, struct line *answer)
{
    if (send_all(connection, message->bytes, message->size) == -1)
        return complain_about_server(errno);

    enum result result = read_line(answers, answer);
    if (result == LINE && !feof(answers)) {
        /* read_line() takes "\r\n" for an ending. It is none if the message ended in "\n" alone:
         * then the "\r" is the message's first byte. */
        if (message->bytes[0] == '\r' && message->size == message->message_size + 1)
            answer->message_size = answer->size - 1;
        return 0;
    }
    if (result != TOO_LONG) /* an error, or FIN, and the answer is not complete */
        return complain_about_server(ferror(answers) ? errno : ECONNRESET);
    complain("client: the answer is longer than %d bytes", MESSAGE_SIZE);
    return -1;
}

/* Asks for messages and shows their answers, until one is `end` or there are no more. Returns 0, or
 * -1 after one line on stderr. */
static int converse(int connection, FILE *answers)
{
    static struct line message, answer;

    for (;;) {
        printf("Client enter message: ");
        if (fflush(stdout) == EOF)
            return 0; /* nobody reads this: finish_output() says so */
        enum result result = read_line(stdin, &message);
        if (result == NO_LINE)
            break;
        if (result == TOO_LONG) {
            putchar('\n');
            complain("client: message longer than %d bytes", MESSAGE_SIZE);
            skip_rest(stdin, &message);
            continue;
        }
        if (!isatty(STDIN_FILENO))
            show("", &message); /* a terminal shows what is typed */
        else if (feof(stdin))
            putchar('\n'); /* a last line that was ended by Ctrl-D alone */
        if (exchange(connection, &message, answers, &answer) == -1)
            return -1;
        show("Client received: ", &answer);
        if (is(&message, "end") && is(&answer, "dne")) {
            printf("Client termination called by message \"end\" and response \"dne\"\n");
            return 0;
        }
    }
    int error = errno;
    putchar('\n');
    if (!ferror(stdin))
        return 0;
    complain("client: cannot read stdin: %s", strerror(error));
    return -1;
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
    FILE *answers = fdopen(connection, "r"); /* owns the connection from here on */
    if (answers == NULL) {
        complain("client: cannot read from the server: %s", strerror(errno));
        (void)close(connection);
        return EXIT_FAILURE;
    }
    printf("Client connection made with server at %s : %s\n", line.host, line.port);

    int result = converse(connection, answers);

    (void)fclose(answers);
    return result == 0 ? finish_output() : EXIT_FAILURE;
}
