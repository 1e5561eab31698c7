/* text.c - fuzz target: showing bytes that somebody else sent (quote(), escape(), print_stream()).
 *
 * An input is how the stream is cut for print_stream() (harness.h), and the message.
 */
#include "text.h"

#include "bytes.h"
#include "harness.h"
#include "reverse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum style { QUOTED, ESCAPED, STREAMED };

/* Returns the letter that the contract gives a byte behind a backslash, or a NUL. */
static char letter_for(unsigned char byte, enum style style)
{
    if (style == QUOTED && (byte == '"' || byte == '\\'))
        return (char)byte;
    if (style != STREAMED && byte == '\n')
        return 'n';
    if (style != STREAMED && byte == '\r')
        return 'r';
    if (style != STREAMED && byte == '\t')
        return 't';
    return '\0';
}

/* Appends what the contract shows for the character at the start of `text`. Returns how many bytes
 * of `text` that is. */
static size_t append_shown(struct bytes *shown, const unsigned char *text, size_t size,
                           enum style style)
{
    size_t length = character_size(text, size);
    char letter = letter_for(text[0], style);
    bool is_printable = text[0] >= 0x20 && text[0] < 0x7f;
    bool is_from_a0 = length > 1 && !(text[0] == 0xc2 && text[1] < 0xa0);
    bool stands = style == STREAMED && (text[0] == '\n' || text[0] == '\t');
    char escaped[5];

    if (letter != '\0') {
        (void)snprintf(escaped, sizeof escaped, "\\%c", letter);
        append(shown, escaped, 2);
    } else if (is_printable || is_from_a0 || stands) {
        append(shown, text, length);
    } else {
        (void)snprintf(escaped, sizeof escaped, "\\x%02x", text[0]);
        append(shown, escaped, 4);
        length = 1;
    }
    return length;
}

/* Returns what quote() should, found in another way. */
static struct bytes expected_quote(const unsigned char *text, size_t size)
{
    struct bytes quoted = {0};
    size_t taken = 0, width = 0;
    char end[40];

    append(&quoted, "\"", 1);
    while (taken < size) {
        size_t before = quoted.size;
        size_t length = append_shown(&quoted, text + taken, size - taken, QUOTED);
        width += length > 1 ? 1 : quoted.size - before;
        if (width > 64) {
            quoted.size = before;
            break;
        }
        taken += length;
    }
    (void)snprintf(end, sizeof end, "\"%s (%zu bytes)", taken < size ? "..." : "", size);
    append(&quoted, end, strlen(end) + 1);
    return quoted;
}

/* Returns what escape() or print_stream() should. */
static struct bytes expected_text(const unsigned char *text, size_t size, enum style style)
{
    struct bytes shown = {0};

    for (size_t taken = 0; taken < size;)
        taken += append_shown(&shown, text + taken, size - taken, style);
    append(&shown, "", 1);
    return shown;
}

/* Returns how many characters stand between the quotes: bytes that begin one. */
static size_t quoted_width(const char *quoted)
{
    size_t width = 0;

    for (const char *next = quoted + 1; next < strrchr(quoted, '"'); next++)
        width += ((unsigned char)*next & 0xc0) != 0x80;
    return width;
}

static void check_quote(const uint8_t *message, size_t size)
{
    uint8_t *start = copy_of(message, size < QUOTED_BYTES ? size : QUOTED_BYTES);
    struct quoted whole = quote(message, size);
    struct quoted begun = quote_start(start, size < QUOTED_BYTES ? size : QUOTED_BYTES, size);
    struct bytes expected = expected_quote(message, size);

    check(is_harmless(whole.text), "quote() gives printable ASCII and valid UTF-8");
    check(quoted_width(whole.text) <= 64, "at most 64 characters stand between the quotes");
    check(strcmp(whole.text, (char *)expected.data) == 0, "quote() gives what the contract says");
    check(strcmp(whole.text, begun.text) == 0, "the first bytes are enough to quote a message");
    free(expected.data);
    free(start);
}

static void check_escape(const uint8_t *message, size_t size)
{
    char *text = malloc(4 * size + 1);
    struct bytes expected = expected_text(message, size, ESCAPED);

    escape(text, message, size);
    check(is_harmless(text), "escape() gives printable ASCII and valid UTF-8");
    check(strcmp(text, (char *)expected.data) == 0, "escape() gives what the contract says");
    free(expected.data);
    free(text);
}

/* Prints the message in pieces, as v2's client does: what print_stream() does not take stands in
 * front of the next one. Returns what was printed, for the caller to free. */
static char *print_in_pieces(const uint8_t *message, size_t size, struct cuts *cuts)
{
    char *printed;
    size_t printed_size, taken = 0, come = 0;
    FILE *stream = open_memstream(&printed, &printed_size);

    check(stream != NULL, "there is memory");
    while (come < size) {
        size_t cut = next_cut(cuts) + 1;
        come = cut < size - come ? come + cut : size;
        uint8_t *piece = copy_of(message + taken, come - taken);
        taken += print_stream(stream, piece, come - taken, true);
        check(taken <= come && come - taken <= 3, "no more than 3 bytes wait for the next piece");
        free(piece);
    }
    uint8_t *rest = copy_of(message + taken, size - taken);
    taken += print_stream(stream, rest, size - taken, false);
    check(taken == size, "at the end of the stream, nothing waits");
    free(rest);
    (void)fclose(stream);
    return printed;
}

static void check_print_stream(const uint8_t *message, size_t size, struct cuts *cuts)
{
    char *printed = print_in_pieces(message, size, cuts);
    struct bytes expected = expected_text(message, size, STREAMED);

    check(strcmp(printed, (char *)expected.data) == 0,
          "print_stream() gives what the contract says, however the stream is cut");
    free(expected.data);
    free(printed);
}

/* Whether some bytes behind these make a character of them. */
static bool can_be_finished(const uint8_t *text, size_t size)
{
    uint8_t longer[4];
    bool result = false;

    for (size_t length = size + 1; length <= sizeof longer; length++) {
        memcpy(longer, text, size);
        memset(longer + size, 0x80, length - size);
        result = result || character_size(longer, length) == length;
        memset(longer + size, 0xbf, length - size);
        result = result || character_size(longer, length) == length;
    }
    return result;
}

static void check_length(const uint8_t *text, size_t size)
{
    size_t expected = character_size(text, size);

    if (expected == 1 && text[0] >= 0x80)
        expected = size < 4 && can_be_finished(text, size) ? UTF8_UNFINISHED : 0;
    check(utf8_length(text, size) == expected, "utf8_length() tells what RFC 3629 says");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct cuts cuts = take_cuts(&input);
    uint8_t *message = copy_of(input.bytes, input.size);

    check_quote(message, input.size);
    check_escape(message, input.size);
    check_print_stream(message, input.size, &cuts);
    for (size_t i = 0; i < input.size; i++)
        check_length(message + i, input.size - i);
    free(message);
    return 0;
}
