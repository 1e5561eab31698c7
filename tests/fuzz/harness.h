/* harness.h - what all targets share: taking an input of the fuzzer apart, and checking. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the fuzzer calls, and each target defines: tries one input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, which the fuzzer reports with the input, unless `holds`. `claim` is what should. */
void check(bool holds, const char *claim);

/* What is left of an input. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t size;
};

/* Takes one byte, 0 at the end. */
unsigned take_byte(struct fuzz_input *input);

/* How a stream is cut into pieces: their sizes, again and again. */
struct cuts {
    size_t sizes[8];
    size_t count, next;
};

/* Takes the number of sizes and the sizes. A byte below 200 is a size, also 0; the others stand for
 * large ones, up to more than the longest message of v3. */
struct cuts take_cuts(struct fuzz_input *input);
size_t next_cut(struct cuts *cuts);

/* Returns a copy on the heap, which the caller frees, so that one byte beyond it is noticed. */
void *copy_of(const void *data, size_t size);

/* Whether all of it is valid UTF-8. */
bool is_utf8(const unsigned char *text, size_t size);

/* Whether a text can be shown: printable ASCII, and valid UTF-8 from U+00A0 up. */
bool is_harmless(const char *text);

#endif
