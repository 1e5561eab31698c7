/* reversal.c - fuzz target: v3's reversal of a message. */
#include "bytes.h"
#include "harness.h"
#include "reverse.h"

#define answer_messages server_answer_messages /* reverse.h has one, too */
#define main server_main
#include "../../v3-reverse/server.c"
#undef main
#undef answer_messages

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size); /* which is in no message */
    size_t length = newline != NULL ? (size_t)(newline - data) : size;
    char *text = copy_of(data, length), *reversed = copy_of(data, length);
    struct bytes expected = {0};

    (void)answer_messages((uint8_t *)text, length, true, &expected);
    reverse(reversed, text, length);
    check(expected.size == length, "a reply is as long as its message");
    check(length == 0 || memcmp(reversed, expected.data, length) == 0,
          "a reply is what another implementation makes of the message");
    if (is_utf8(data, length)) {
        check(is_utf8((unsigned char *)reversed, length), "valid UTF-8 reversed is valid UTF-8");
        reverse(text, reversed, length);
        check(length == 0 || memcmp(text, data, length) == 0,
              "valid UTF-8 reversed twice is what it was");
    }
    free(text);
    free(reversed);
    free(expected.data);
    return 0;
}
