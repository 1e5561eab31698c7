/* connection.h - a connection of the load generator: what it says, and whether the echo is right.
 *
 * What is said is a ring of messages, all different. Each connection begins at another one and goes
 * round; so a byte that is lost, doubled, or another connection's does not compare equal.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

struct script {
    int port;
    size_t welcome; /* so many bytes come from the server first */
    size_t size;    /* of a message */
    size_t length;  /* of the rings: a whole number of messages */
    char *said;
    char *expected;
};

struct connection {
    int fd;
    size_t welcome_left;
    size_t start;                      /* where in the ring it begins */
    unsigned long long sent, received; /* bytes so far */
    unsigned long long wanted;         /* so many bytes are to be sent and received */
    long long asked_at;                /* when it last began to send */
};

/* So long nothing may come that is awaited. Slow is not void. */
enum { PATIENCE_MS = 10000 };

/* The run is worth nothing: prints why, in one line that begins with "void: ", and exits 1. */
_Noreturn void give_up(const char *format, ...);

/* Fills the rings with messages of script->size bytes. With `reversed` a message is a line, and
 * the same line in reverse order is expected. */
void write_script(struct script *script, bool reversed);

/* Connects, as connection number `number`. If there is no server yet, it waits for it. */
void open_connection(struct connection *connection, const struct script *script, size_t number);

/* Sends what is wanted and not sent yet, as far as the system takes it. */
void send_wanted(struct connection *connection, const struct script *script);

/* Takes the welcome, as far as it is in the `size` bytes that came. Returns how many bytes it was.
 */
size_t take_welcome(struct connection *connection, size_t size);

/* Receives once, and compares. */
void receive_and_compare(struct connection *connection, const struct script *script);

/* Receives once without waiting. Returns how many bytes, 0 if none are there; their end, or that of
 * the connection, makes the run void. */
size_t receive_some(struct connection *connection, char *buffer, size_t size);

/* Nothing is awaited: makes sure that nothing came, and that the connection lives. */
void expect_silence(struct connection *connection);

#endif
