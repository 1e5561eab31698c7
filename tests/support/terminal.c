/* terminal.c - see terminal.h. */
#define _XOPEN_SOURCE 700 /* pseudo-terminals */

#include "terminal.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Makes a pseudo-terminal that passes on what is printed as it is. If it has a keyboard, it shows
 * what is typed, and hands it on line by line. */
static void open_terminal(int *master, int *slave, bool keyboard)
{
    struct termios settings;

    *master = posix_openpt(O_RDWR | O_NOCTTY);
    *slave = -1;
    if (*master != -1 && grantpt(*master) == 0 && unlockpt(*master) == 0)
        *slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
    if (*slave == -1 || tcgetattr(*slave, &settings) == -1)
        fail("cannot open a pseudo-terminal: %s", strerror(errno));
    settings.c_oflag &= ~(tcflag_t)OPOST; /* a newline is not to become two characters */
    settings.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    if (keyboard)
        settings.c_lflag |= ECHO | ICANON;
    if (tcsetattr(*slave, TCSANOW, &settings) == -1)
        fail("cannot set up a pseudo-terminal: %s", strerror(errno));
}

/* Starts a process that types on the terminal what comes on stdin. */
static pid_t start_typist(int master)
{
    pid_t child = fork();
    char piece[4096];
    ssize_t got;

    if (child != 0)
        return child;
    while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0)
        (void)!write(master, piece, (size_t)got);
    _exit(0);
}

int run_in_terminal(char *command[], bool keyboard)
{
    int master, slave, status;
    char piece[4096];
    ssize_t got;

    open_terminal(&master, &slave, keyboard);
    pid_t child = fork();
    if (child == 0) {
        if (keyboard)
            (void)dup2(slave, STDIN_FILENO);
        (void)dup2(slave, STDOUT_FILENO);
        (void)close(slave);
        (void)close(master);
        (void)execvp(command[0], command);
        fail("cannot run %s: %s", command[0], strerror(errno));
    }
    (void)close(slave);
    pid_t typist = keyboard ? start_typist(master) : -1;
    while ((got = read(master, piece, sizeof piece)) > 0) /* EIO: the command has closed its end */
        (void)!write(STDOUT_FILENO, piece, (size_t)got);
    if (typist != -1)
        (void)kill(typist, SIGKILL);
    if (child == -1 || waitpid(child, &status, 0) == -1)
        fail("cannot run %s: %s", command[0], strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
