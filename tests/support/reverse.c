/* reverse.c - see reverse.h. */
#include "reverse.h"

#include <string.h>

/* Decodes the number, and asks whether UTF-8 may write that number in so many bytes. */
size_t character_size(const unsigned char *text, size_t size)
{
    static const unsigned long LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0xc0 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    unsigned long number = text[0] & (0xffU >> (length + 1));

    if (length == 1 || length > size || text[0] >= 0xf8)
        return 1;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        number = number << 6 | (text[i] & 0x3f);
    }
    bool surrogate = number >= 0xd800 && number <= 0xdfff;
    return number < LEAST[length] || number > 0x10ffff || surrogate ? 1 : length;
}

/* Appends the characters of a message in reverse order. */
static void append_reversed(struct bytes *answers, const unsigned char *message, size_t size)
{
    size_t length;

    append(answers, message, size); /* makes room, and is written over from the back */
    unsigned char *to = answers->data + answers->size;
    for (size_t i = 0; i < size; i += length) {
        length = character_size(message + i, size - i);
        to -= length;
        memcpy(to, message + i, length);
    }
}

struct answered answer_messages(const unsigned char *input, size_t size, bool ended,
                                struct bytes *answers)
{
    struct answered result = {0};

    while (result.taken < size && !result.end) {
        const unsigned char *message = input + result.taken;
        const unsigned char *newline = memchr(message, '\n', size - result.taken);
        if (newline == NULL && !ended)
            break;
        size_t whole = newline != NULL ? (size_t)(newline - message) + 1 : size - result.taken;
        size_t length = newline != NULL ? whole - 1 : whole;
        if (newline != NULL && length > 0 && message[length - 1] == '\r')
            length--;
        append_reversed(answers, message, length);
        append(answers, message + length, whole - length);
        result.end = length == 3 && memcmp(message, "end", 3) == 0;
        result.taken += whole;
    }
    return result;
}
