/* terminal.h - runs a program whose stdout is a terminal. */
#ifndef TERMINAL_H
#define TERMINAL_H

/* Runs a command whose stdout is a pseudo-terminal, and copies what it prints, unchanged, to
 * stdout. Its stdin and stderr are ours. Returns its exit status. */
int run_in_terminal(char *command[]);

#endif
