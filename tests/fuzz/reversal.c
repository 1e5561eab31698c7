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
    char *message = copy_of(data, length), *answer = copy_of(data, length);
    struct bytes expected = {0};

    (void)answer_messages((uint8_t *)message, length, true, &expected);
    reverse(answer, message, length);
    check(expected.size == length, "a reply is as long as its message");
    check(length == 0 || memcmp(answer, expected.data, length) == 0,
          "a reply is what another implementation makes of the message");
    if (is_utf8(data, length)) {
        check(is_utf8((unsigned char *)answer, length), "valid UTF-8 reversed is valid UTF-8");
        reverse(message, answer, length);
        check(length == 0 || memcmp(message, data, length) == 0,
              "valid UTF-8 reversed twice is what it was");
    }
    free(message);
    free(answer);
    free(expected.data);
    return 0;
}
