/* text.c - see text.h. */
#include "text.h"

#include <inttypes.h>
#include <string.h>

enum { CHARACTER_SIZE = 5 }; /* the longest character or escape, and a NUL */

/* RFC 3629, section 4: which lead byte allows which second byte. Later bytes are 80 to BF. */
static const struct {
    unsigned char first_lead, last_lead, length, least_second, most_second;
} UTF8_FORMS[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

size_t utf8_length(const unsigned char *text, size_t size)
{
    size_t form = 0;
    while (form < sizeof UTF8_FORMS / sizeof *UTF8_FORMS && text[0] > UTF8_FORMS[form].last_lead)
        form++;
    if (form == sizeof UTF8_FORMS / sizeof *UTF8_FORMS || text[0] < UTF8_FORMS[form].first_lead)
        return 0;

    size_t length = UTF8_FORMS[form].length;
    for (size_t i = 1; i < length; i++) {
        if (i == size)
            return UTF8_UNFINISHED;
        unsigned char least = i == 1 ? UTF8_FORMS[form].least_second : 0x80;
        unsigned char most = i == 1 ? UTF8_FORMS[form].most_second : 0xbf;
        if (text[i] < least || text[i] > most)
            return 0;
    }
    return length;
}

/* C0, DEL, and C1 (U+0080 to U+009F: c2 80 to c2 9f), the characters that terminals obey. */
static bool is_control(const unsigned char *character, size_t length)
{
    if (length == 1)
        return character[0] < 0x20 || character[0] == 0x7f;
    return length == 2 && character[0] == 0xc2 && character[1] < 0xa0;
}

/* Puts the character at the start of `text` into `shown`, as it stands if it is harmless, its first
 * byte as \xHH if not. Returns how many bytes of `text` that took. */
static size_t show_character(const unsigned char *text, size_t size, char shown[CHARACTER_SIZE])
{
    size_t length = utf8_length(text, size);

    if (length == 0 || length == UTF8_UNFINISHED || is_control(text, length)) {
        (void)snprintf(shown, CHARACTER_SIZE, "\\x%02x", text[0]);
        return 1;
    }
    memcpy(shown, text, length);
    shown[length] = '\0';
    return length;
}

/* Returns the letter that stands for a byte behind a backslash, or 0 if there is none. */
static char escape_letter(unsigned char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* The same as show_character() with C's short escapes for white space. */
static size_t escape_character(const unsigned char *text, size_t size, char shown[CHARACTER_SIZE])
{
    char letter = escape_letter(text[0]);

    if (letter == 0)
        return show_character(text, size, shown);
    (void)snprintf(shown, CHARACTER_SIZE, "\\%c", letter);
    return 1;
}

struct quoted quote(const void *message, size_t size)
{
    return quote_start(message, size, size);
}

struct quoted quote_start(const void *start, size_t start_size, uintmax_t size)
{
    const unsigned char *text = start;
    struct quoted quoted;
    size_t end = 0, width = 0, taken = 0;

    quoted.text[end++] = '"';
    while (taken < start_size) {
        char shown[CHARACTER_SIZE];
        size_t length;
        if (text[taken] == '"' || text[taken] == '\\') {
            (void)snprintf(shown, sizeof shown, "\\%c", text[taken]);
            length = 1;
        } else {
            length = escape_character(text + taken, start_size - taken, shown);
        }
        width += length > 1 ? 1 : strlen(shown); /* a character of several bytes is one wide */
        if (width > QUOTED_CHARACTERS)
            break;
        memcpy(quoted.text + end, shown, strlen(shown));
        end += strlen(shown);
        taken += length;
    }
    (void)snprintf(quoted.text + end, sizeof quoted.text - end, "\"%s (%" PRIuMAX " bytes)",
                   taken < size ? "..." : "", size);
    return quoted;
}

const char *escape(char *text, const void *message, size_t size)
{
    const unsigned char *bytes = message;
    char shown[CHARACTER_SIZE];
    char *end = text;

    for (size_t taken = 0; taken < size; end += strlen(shown)) {
        taken += escape_character(bytes + taken, size - taken, shown);
        memcpy(end, shown, strlen(shown));
    }
    *end = '\0';
    return text;
}

size_t print_stream(FILE *stream, const void *piece, size_t size, bool more)
{
    const unsigned char *text = piece;
    char shown[CHARACTER_SIZE];
    size_t taken = 0;

    while (taken < size) {
        if (text[taken] == '\n' || text[taken] == '\t') {
            (void)putc(text[taken++], stream);
            continue;
        }
        if (more && utf8_length(text + taken, size - taken) == UTF8_UNFINISHED)
            break;
        taken += show_character(text + taken, size - taken, shown);
        (void)fputs(shown, stream);
    }
    return taken;
}
