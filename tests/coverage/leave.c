/* leave.c - linked into the programs that make coverage counts.
 *
 * Counts are written at exit, and a program that a signal kills does not get there. With this,
 * SIGUSR2 ends it with its counts written; process.bash sends that in front of SIGKILL.
 */
#include <signal.h>
#include <stdlib.h>

void __gcov_dump(void); /* libgcov's */

static void leave(int signal_number)
{
    (void)signal_number;
    __gcov_dump();
    _Exit(EXIT_FAILURE);
}

__attribute__((constructor)) static void prepare(void)
{
    (void)signal(SIGUSR2, leave);
}
