/* reverse.h - what a reverse-echo server has to answer, found without the code under test. */
#ifndef REVERSE_H
#define REVERSE_H

#include "bytes.h"

#include <stdbool.h>

struct answered {
    size_t taken; /* bytes of the input that are whole messages */
    bool end;     /* the last of them was `end` */
};

/* Appends to `answers` what the messages in the input are answered with, up to `end`. A last
 * message without an ending counts if the stream has `ended`. */
struct answered answer_messages(const unsigned char *input, size_t size, bool ended,
                                struct bytes *answers);

/* Returns the size of the character at the start of `text`: of a UTF-8 code point, or 1 where there
 * is none. */
size_t character_size(const unsigned char *text, size_t size);

#endif
