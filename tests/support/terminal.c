/* terminal.c - see terminal.h. */
#define _XOPEN_SOURCE 700 /* pseudo-terminals */

#include "terminal.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Makes a pseudo-terminal that passes bytes on as they are. */
static void open_terminal(int *master, int *slave)
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
    if (tcsetattr(*slave, TCSANOW, &settings) == -1)
        fail("cannot set up a pseudo-terminal: %s", strerror(errno));
}

int run_in_terminal(char *command[])
{
    int master, slave, status;
    char piece[4096];
    ssize_t got;

    open_terminal(&master, &slave);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(slave, STDOUT_FILENO);
        (void)close(slave);
        (void)close(master);
        (void)execvp(command[0], command);
        fail("cannot run %s: %s", command[0], strerror(errno));
    }
    (void)close(slave);
    while ((got = read(master, piece, sizeof piece)) > 0) /* EIO: the command has closed its end */
        (void)!write(STDOUT_FILENO, piece, (size_t)got);
    if (child == -1 || waitpid(child, &status, 0) == -1)
        fail("cannot run %s: %s", command[0], strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
