/* harness.c - see harness.h. */
#include "harness.h"

#include "bytes.h"
#include "reverse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check(bool holds, const char *claim)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz: this does not hold: %s\n", claim);
    abort();
}

unsigned take_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->bytes++;
}

struct cuts take_cuts(struct fuzz_input *input)
{
    enum { FIRST_LARGE = 200, UNIT = 1200 };
    struct cuts cuts = {.count = 1 + take_byte(input) % 8};

    for (size_t i = 0; i < cuts.count; i++) {
        unsigned size = take_byte(input);
        cuts.sizes[i] = size < FIRST_LARGE ? size : (size - FIRST_LARGE + 1) * UNIT;
    }
    return cuts;
}

size_t next_cut(struct cuts *cuts)
{
    return cuts->sizes[cuts->next++ % cuts->count];
}

void *copy_of(const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);

    check(copy != NULL, "there is memory");
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* The least power of two that is not below a size. */
static size_t capacity(size_t size)
{
    size_t result = 64;

    while (result < size)
        result *= 2;
    return result;
}

/* reverse.c needs it, too. Memory that grew by every byte would be moved by every byte: the address
 * sanitizer sees to that. */
void append(struct bytes *bytes, const void *data, size_t size)
{
    size_t wanted = capacity(bytes->size + size);

    if (bytes->data == NULL || wanted != capacity(bytes->size))
        bytes->data = realloc(bytes->data, wanted);
    check(bytes->data != NULL, "there is memory");
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

bool is_utf8(const unsigned char *text, size_t size)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        length = character_size(text + i, size - i);
        if (length == 1 && text[i] >= 0x80)
            return false;
    }
    return true;
}

bool is_harmless(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        bool is_c1 = bytes[i] == 0xc2 && bytes[i + 1] < 0xa0;
        if (bytes[i] < 0x20 || bytes[i] == 0x7f || is_c1)
            return false;
    }
    return is_utf8(bytes, size);
}
