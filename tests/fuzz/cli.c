/* cli.c - fuzz target: the command-line parser.
 *
 * An input is which program is called, and its arguments with a NUL behind each.
 */
#include "cli.h"

#include "harness.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] = "usage: as it is\n";

/* What the parser printed. */
static char complaint[2000];
static unsigned complaints, usages_on_stdout, usages_on_stderr;

static int fake_complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    complaints++;
    return -1;
}

static int fake_fputs(const char *text, const FILE *stream)
{
    check(text == USAGE, "nothing but the usage is printed");
    if (stream == stdout)
        usages_on_stdout++;
    else
        usages_on_stderr++;
    return 0;
}

#define complain fake_complain
#define fputs fake_fputs
#include "../../common/cli.c"
#undef fputs
#undef complain

enum { MOST_ARGUMENTS = 12 };

/* The programs of the stages, as their main() calls the parser. */
static const struct {
    const char *options;
    int max_extra;
    bool is_server;
} PROGRAMS[] = {
    {"q", 0, true}, {"bq", 0, true}, {"q", 1, false}, {"q", INT_MAX, false}, {"", 0, false},
};

/* What the contract makes of a command line. */
struct meaning {
    bool help, wrong, quiet, broadcast;
    const char *operands[MOST_ARGUMENTS];
    int operand_count;
};

/* Whether a text is a decimal number, and nothing else, in a range. */
static bool is_number(const char *text, long least, long most)
{
    long number = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (number <= most)
            number = number * 10 + (*text - '0');
    }
    return number >= least && number <= most;
}

/* Reads one argument that stands in front of `--`, and is none of the operands. */
static void read_option(struct meaning *meaning, const char *options, const char *argument)
{
    bool is_long = argument[1] == '-';

    meaning->help = meaning->help || strcmp(argument, "--help") == 0;
    meaning->wrong = meaning->wrong || is_long;
    for (const char *letter = argument + 1; *letter != '\0' && !is_long; letter++) {
        meaning->help = meaning->help || *letter == 'h';
        meaning->quiet = meaning->quiet || *letter == 'q';
        meaning->broadcast = meaning->broadcast || *letter == 'b';
        meaning->wrong = meaning->wrong || strchr(options, *letter) == NULL;
    }
}

static struct meaning read_arguments(const char *options, int argc, char *argv[])
{
    struct meaning meaning = {.operand_count = 0};
    bool options_ended = false;

    for (int i = 1; i < argc; i++) {
        if (!options_ended && strcmp(argv[i], "--") == 0)
            options_ended = true;
        else if (!options_ended && argv[i][0] == '-' && argv[i][1] != '\0')
            read_option(&meaning, options, argv[i]);
        else
            meaning.operands[meaning.operand_count++] = argv[i];
    }
    return meaning;
}

/* Whether a text can be HOST: not HOST:PORT, and without brackets. */
static bool is_host_alone(const char *text)
{
    int colons = 0;

    for (const char *at = text; *at != '\0'; at++)
        colons += *at == ':';
    return text[0] != '[' && colons != 1;
}

/* Splits the operands into HOST, PORT and those behind it, and checks what the parser made of them.
 * Returns whether they are as the contract has them. */
static bool check_operands(const struct meaning *meaning, const struct command_line *line,
                           bool is_server, bool accepted)
{
    bool port_alone = is_server && meaning->operand_count == 1;
    const char *host = !port_alone && meaning->operand_count > 0 ? meaning->operands[0] : "host";
    const char *port = "1";
    int named = meaning->operand_count < 2 ? meaning->operand_count : 2;
    int rest = meaning->operand_count - named;

    if (port_alone)
        port = meaning->operands[0];
    else if (meaning->operand_count > 1)
        port = meaning->operands[1];
    if (accepted) {
        check(strcmp(line->host, host) == 0, "HOST is the operand that it should be");
        check(strcmp(line->port, port) == 0, "PORT is the operand that it should be");
        check(line->operand_count == rest, "all operands behind PORT are there");
        for (int i = 0; i < rest; i++)
            check(line->operands[i] == meaning->operands[named + i], "they are in order");
    }
    return is_host_alone(host) && is_number(port, is_server ? 0 : 1, 65535) &&
           rest <= line->max_extra;
}

/* Checks what was printed, and the status, of a program that is not to go on. */
static void check_refusal(const struct command_line *line, bool help)
{
    check(line->status == (help ? 0 : 2), "help ends with 0, and a mistake with 2");
    check(usages_on_stdout == help,
          "the usage goes to stdout when it was asked for, and only then");
    check(usages_on_stderr == !help, "after a mistake, the usage goes to stderr");
    check(complaints == !help, "a mistake is one line");
    check(help || is_harmless(complaint), "no argument drives a terminal");
}

/* Lets the parser read NUM_CLIENTS, or what else an operand may be. */
static void check_numbers(struct command_line *line)
{
    for (int i = 0; i < line->operand_count; i++) {
        unsigned number = 0;
        bool accepted = parse_number(line, "NUMBER", line->operands[i], 1, 65535, &number);
        check(accepted == is_number(line->operands[i], 1, 65535),
              "a number is accepted when it is one, and only then");
        check(!accepted || number == strtoul(line->operands[i], NULL, 10), "it is that number");
    }
}

static void try_arguments(size_t program, int argc, char *argv[])
{
    bool is_server = PROGRAMS[program].is_server;
    struct meaning meaning = read_arguments(PROGRAMS[program].options, argc, argv);
    struct command_line line = {.usage = USAGE,
                                .options = PROGRAMS[program].options,
                                .host = "host",
                                .port = "1",
                                .max_extra = PROGRAMS[program].max_extra};

    complaints = usages_on_stdout = usages_on_stderr = 0;
    bool accepted = (is_server ? parse_server : parse_client)(&line, argc, argv);
    bool good = check_operands(&meaning, &line, is_server, accepted) && !meaning.wrong;
    check(accepted == (good && !meaning.help),
          "a command line is accepted when it is right, and only then");
    if (accepted) {
        check(line.quiet == meaning.quiet && line.broadcast == meaning.broadcast, "options count");
        check(complaints + usages_on_stdout + usages_on_stderr == 0, "nothing is printed");
        check_numbers(&line);
    } else {
        check_refusal(&line, meaning.help);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    size_t program = take_byte(&input) % (sizeof PROGRAMS / sizeof *PROGRAMS);
    char *argv[MOST_ARGUMENTS + 1] = {copy_of("program", sizeof "program")};
    int argc = 1;

    while (input.size > 0 && argc < MOST_ARGUMENTS) {
        const uint8_t *end = memchr(input.bytes, '\0', input.size);
        size_t length = end != NULL ? (size_t)(end - input.bytes) : input.size;
        argv[argc] = copy_of(input.bytes, length + (end != NULL));
        if (end == NULL) {
            argv[argc] = realloc(argv[argc], length + 1);
            argv[argc][length] = '\0';
        }
        argc++;
        input.bytes += length + (end != NULL);
        input.size -= length + (end != NULL);
    }
    char *copy[MOST_ARGUMENTS + 1];
    memcpy(copy, argv, sizeof copy); /* the parser moves the pointers */
    try_arguments(program, argc, argv);
    for (int i = 0; i < argc; i++)
        free(copy[i]);
    return 0;
}
