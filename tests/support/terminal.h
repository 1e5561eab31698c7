/* terminal.h - runs a program whose stdout is a terminal. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>

/* Runs a command whose stdout is a pseudo-terminal, and copies what it prints, unchanged, to
 * stdout. Its stdin and stderr are ours; or, if the terminal has a keyboard, its stdin is the
 * terminal too, where our stdin is typed, and shown. Returns its exit status. */
int run_in_terminal(char *command[], bool keyboard);

#endif
