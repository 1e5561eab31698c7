/* cli.c - see cli.h. */
#include "cli.h"

#include "program.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRONG_USAGE = 2 };

static bool wrong_usage(struct command_line *line)
{
    (void)fputs(line->usage, stderr);
    line->status = WRONG_USAGE;
    return false;
}

/* An option is a dash and letters; a lone dash is an operand (Utility Syntax Guideline 13). */
static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

static bool asks_for_help(int argc, char *argv[])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 ||
            (is_option(argv[i]) && argv[i][1] != '-' && strchr(argv[i], 'h')))
            return true;
    return false;
}

/* Takes an argument such as -q or -bq. */
static bool take_option(struct command_line *line, const char *argument)
{
    for (const char *letter = argument + 1; *letter != '\0'; letter++) {
        if (!strchr(line->options, *letter)) {
            complain("%s: unknown option: %s", line->program,
                     quote(argument, strlen(argument)).text);
            return wrong_usage(line);
        }
        line->quiet = line->quiet || *letter == 'q';
        line->broadcast = line->broadcast || *letter == 'b';
    }
    return true;
}

/* Takes the options out of argv, and leaves line->operands with what remains, in order. */
static bool take_options(struct command_line *line, int argc, char *argv[])
{
    bool options_ended = false;

    line->operands = argv;
    line->operand_count = 0;
    for (int i = 1; i < argc; i++) {
        if (!options_ended && strcmp(argv[i], "--") == 0)
            options_ended = true;
        else if (options_ended || !is_option(argv[i]))
            line->operands[line->operand_count++] = argv[i];
        else if (!take_option(line, argv[i]))
            return false;
    }
    line->operands[line->operand_count] = NULL; /* argv has room: argv[argc] is NULL, too */
    return true;
}

static const char *next_operand(struct command_line *line)
{
    line->operand_count--;
    return *line->operands++;
}

static bool parse(struct command_line *line, const char *program, int argc, char *argv[])
{
    line->program = program;
    if (asks_for_help(argc, argv)) {
        line->status = EXIT_SUCCESS;
        /* fflush() alone would forget a line that fputs() could not write. */
        if (fputs(line->usage, stdout) == EOF || fflush(stdout) == EOF) {
            complain("%s: cannot write to stdout: %s", program, strerror(errno));
            line->status = EXIT_FAILURE;
        }
        return false;
    }
    return take_options(line, argc, argv);
}

static bool refuse_more_operands(struct command_line *line)
{
    const char *operand = line->operands[line->max_extra];

    complain("%s: one operand too many: %s", line->program, quote(operand, strlen(operand)).text);
    return wrong_usage(line);
}

/* A message shows an address as HOST:PORT or [HOST]:PORT, and so it is copied. An IPv6 address
 * alone has two colons or more. */
static bool is_one_word(struct command_line *line, const char *operand)
{
    const char *colon = strchr(operand, ':');

    if (operand[0] != '[' && (colon == NULL || strchr(colon + 1, ':') != NULL))
        return true;
    complain("%s: HOST and PORT are two words, as in ::1 65432: %s", line->program,
             quote(operand, strlen(operand)).text);
    return wrong_usage(line);
}

bool parse_server(struct command_line *line, int argc, char *argv[])
{
    unsigned port;

    if (!parse(line, "server", argc, argv))
        return false;
    if (line->operand_count >= 2)
        line->host = next_operand(line);
    if (line->operand_count >= 1)
        line->port = next_operand(line);
    if (line->operand_count > line->max_extra)
        return refuse_more_operands(line);
    return is_one_word(line, line->host) && is_one_word(line, line->port) &&
           parse_number(line, "PORT", line->port, 0, 65535, &port);
}

bool parse_client(struct command_line *line, int argc, char *argv[])
{
    unsigned port;

    if (!parse(line, "client", argc, argv))
        return false;
    if (line->operand_count >= 1)
        line->host = next_operand(line);
    if (line->operand_count >= 1)
        line->port = next_operand(line);
    if (line->operand_count > line->max_extra)
        return refuse_more_operands(line);
    return is_one_word(line, line->host) && parse_number(line, "PORT", line->port, 1, 65535, &port);
}

bool parse_number(struct command_line *line, const char *name, const char *operand, unsigned least,
                  unsigned most, unsigned *number)
{
    size_t digits = strspn(operand, "0123456789");

    /* strtoul() alone would take " 80", "+80" and "80x", and atoi() would turn "abc" into 0. */
    if (digits > 0 && operand[digits] == '\0') {
        unsigned long value = strtoul(operand, NULL, 10); /* ULONG_MAX if it is too large */
        if (value >= least && value <= most) {
            *number = (unsigned)value;
            return true;
        }
    }
    complain("%s: %s is not a number from %u to %u: %s", line->program, name, least, most,
             quote(operand, strlen(operand)).text);
    return wrong_usage(line);
}
