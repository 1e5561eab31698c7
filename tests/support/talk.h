/* talk.h - the steps for a server that passes what one client says on to others. */
#ifndef TALK_H
#define TALK_H

/* talk:FILE:OUT:N - see probe.c. */
void step_talk(int *fd, char *rest);

/* hear:FILE - see probe.c. */
void step_hear(int *fd, char *rest);

/* meet:N:TEXT - see probe.c. */
void step_meet(int *fd, char *rest);

#endif
