/* bytes.h - a block of memory that grows. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>

/* The caller frees `data`. */
struct bytes {
    unsigned char *data;
    size_t size;
};

void append(struct bytes *bytes, const void *data, size_t size);

#endif
