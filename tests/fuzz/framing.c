/* framing.c - fuzz target: v3's messages, cut out of a stream that comes in pieces.
 *
 * An input is whether to show messages, how the stream is cut (harness.h), and the stream, in which
 * `~`, a byte and a number stand for that byte, 257 times the number: two of them are longer than
 * the longest message.
 */
#include "bytes.h"
#include "harness.h"
#include "reverse.h"

#include "program.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What the server receives from, sends to and says. */
static struct fuzz_input stream;
static struct cuts cuts;
static struct bytes sent;

/* Takes the next piece off the stream. A cut of size 0 is a recv() that a signal interrupts; a
 * second one is none, for it to go on. */
static ssize_t fake_recv(int connection, void *piece, size_t size, int flags)
{
    size_t cut = next_cut(&cuts);

    (void)connection;
    (void)flags;
    check(size > 0, "the server has room for what comes");
    if (cut == 0 && cuts.next % 2 == 1) {
        errno = EINTR;
        return -1;
    }
    size_t taken = cut == 0 ? 1 : cut;
    if (taken < stream.size / 32)
        taken = stream.size / 32; /* a long stream byte by byte would take seconds */
    if (taken > size)
        taken = size;
    if (taken > stream.size)
        taken = stream.size;
    if (taken > 0)
        memcpy(piece, stream.bytes, taken);
    stream.bytes += taken;
    stream.size -= taken;
    return (ssize_t)taken;
}

static int fake_send_all(int connection, const void *data, size_t size)
{
    (void)connection;
    append(&sent, data, size);
    return 0;
}

static void fake_say(const char *format, ...)
{
    check(is_harmless(format), "a line has no control characters");
}

#define recv fake_recv
#define send_all fake_send_all
#define say fake_say
#define answer_messages server_answer_messages /* reverse.h has one, too */
#define main server_main
#include "../../v3-reverse/server.c"
#undef main
#undef answer_messages

/* Returns the stream that an input stands for, as far as it is not too long for a quick test. */
static struct bytes expand(struct fuzz_input input)
{
    enum { RUN = 257, LONGEST = MESSAGE_SIZE + 4000 };
    struct bytes expanded = {0};

    while (input.size > 0 && expanded.size < LONGEST) {
        unsigned char bytes[RUN];
        unsigned byte = take_byte(&input);
        bool is_run = byte == '~';
        memset(bytes, (int)(is_run ? take_byte(&input) : byte), sizeof bytes);
        unsigned count = is_run ? take_byte(&input) : 1;
        for (unsigned i = 0; i < count; i++)
            append(&expanded, bytes, is_run ? sizeof bytes : 1);
    }
    return expanded;
}

/* Returns how much of the stream stands in front of the first message that is too long. */
static size_t size_before_too_long(const struct bytes *bytes)
{
    size_t start = 0;

    while (start < bytes->size) {
        const unsigned char *message = bytes->data + start;
        const unsigned char *newline = memchr(message, '\n', bytes->size - start);
        size_t size = newline != NULL ? (size_t)(newline - message) : bytes->size - start;
        bool has_return = newline != NULL && size > 0 && message[size - 1] == '\r';
        if (size - has_return > MESSAGE_SIZE)
            break;
        start += size + (newline != NULL);
    }
    return start;
}

/* Lets the server serve the stream in these pieces, and compares what it sends, and why it ends,
 * with another implementation. */
static void check_pieces(const struct bytes *bytes, struct cuts pieces, bool quiet)
{
    static struct client client;
    size_t good = size_before_too_long(bytes);
    struct bytes expected = {0};
    struct answered done = answer_messages(bytes->data, good, good == bytes->size, &expected);
    enum ending why = good < bytes->size ? BY_LONG_MESSAGE : BY_CLIENT;
    if (done.end)
        why = BY_END;

    stream = (struct fuzz_input){bytes->data, bytes->size};
    cuts = pieces;
    sent.size = 0;
    client.ending = BY_CLIENT;
    client.size = 0;
    while (serve_client(&client, quiet))
        continue;
    check(client.ending == why, "a connection ends for the same reason, however the stream is cut");
    check(sent.size == expected.size, "the replies are as long, however the stream is cut");
    check(sent.size == 0 || memcmp(sent.data, expected.data, sent.size) == 0,
          "the replies are the same, however the stream is cut");
    free(expected.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    bool quiet = take_byte(&input) != 1; /* to show them takes longest */
    struct cuts as_cut = take_cuts(&input);
    struct cuts in_one_piece = {.sizes = {SIZE_MAX}, .count = 1};
    struct bytes bytes = expand(input);

    if (bytes.size > 0) {
        check_pieces(&bytes, in_one_piece, quiet);
        check_pieces(&bytes, as_cut, quiet);
    }
    free(bytes.data);
    return 0;
}
