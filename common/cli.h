/* cli.h - command lines: options anywhere, then HOST and PORT, then what the program adds. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>

/* A command line. The program fills in the first part before it calls parse_server() or
 * parse_client(), which fill in the rest. All strings belong to the caller and to argv. */
struct command_line {
    const char *usage;   /* printed for -h, and on stderr when the command line is wrong */
    const char *options; /* the option letters that this program knows, such as "bq" */
    const char *host;    /* the default, or HOST */
    const char *port;    /* the default, or PORT: decimal digits, in range */
    int max_extra;       /* how many operands may follow PORT (clients only) */

    const char *program; /* "server" or "client", for messages */
    bool quiet;          /* -q */
    bool broadcast;      /* -b */
    char **operands;     /* the operands behind PORT, and NULL */
    int operand_count;
    int status; /* the exit status, where the program is not to go on */
};

/* Take main's arguments in the form `server [OPTIONS] [[HOST] PORT]` (PORT 0 to 65535) or
 * `client [OPTIONS] [HOST [PORT [OPERANDS]]]` (PORT 1 to 65535). Options may stand before, between
 * and after operands, and end at `--` (POSIX: Utility Syntax Guidelines 10; getopt() would stop at
 * the first operand). They overwrite argv's pointers, argv[0]
 * too.
 * Return true if the program is to go on. Return false when it has nothing more to do, with
 * line->status 0 after -h or --help (usage on stdout; 1, after one line on stderr, if it cannot be
 * written), and 2 after a mistake (the mistake and the usage on stderr). */
bool parse_server(struct command_line *line, int argc, char *argv[]);
bool parse_client(struct command_line *line, int argc, char *argv[]);

/* Reads an operand that is a decimal number: digits alone, no sign, no blank, no 0x, from `least`
 * to `most`. `name` is what the usage calls it. Returns true and the number; or false, after the
 * same report as above, with line->status 2. */
bool parse_number(struct command_line *line, const char *name, const char *operand, unsigned least,
                  unsigned most, unsigned *number);

#endif
