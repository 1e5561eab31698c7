/* calls.h - lets a program write down its own calls, where no strace can: calls.c. The compiler
 * includes it in front of each file (-include). A macro with arguments replaces calls alone, and no
 * member or variable of the same name. */
#ifndef TRACE_CALLS_H
#define TRACE_CALLS_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int traced_socket(int domain, int type, int protocol);
int traced_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int traced_bind(int fd, const struct sockaddr *address, socklen_t size);
int traced_listen(int fd, int backlog);
int traced_accept(int fd, struct sockaddr *address, socklen_t *size);
int traced_connect(int fd, const struct sockaddr *address, socklen_t size);
int traced_poll(struct pollfd *polled, nfds_t count, int timeout);
ssize_t traced_recv(int fd, void *data, size_t size, int flags);
ssize_t traced_send(int fd, const void *data, size_t size, int flags);
ssize_t traced_read(int fd, void *data, size_t size);
int traced_getchar(void);
int traced_shutdown(int fd, int how);
int traced_close(int fd);
int traced_fcntl(int fd, int command, int flags);
int traced_pthread_create(pthread_t *created, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument);

#define socket(...) traced_socket(__VA_ARGS__)
#define setsockopt(...) traced_setsockopt(__VA_ARGS__)
#define bind(...) traced_bind(__VA_ARGS__)
#define listen(...) traced_listen(__VA_ARGS__)
#define accept(...) traced_accept(__VA_ARGS__)
#define connect(...) traced_connect(__VA_ARGS__)
#define poll(...) traced_poll(__VA_ARGS__)
#define recv(...) traced_recv(__VA_ARGS__)
#define send(...) traced_send(__VA_ARGS__)
#define read(...) traced_read(__VA_ARGS__)
#define getchar(...) traced_getchar(__VA_ARGS__)
#define shutdown(...) traced_shutdown(__VA_ARGS__)
#define close(...) traced_close(__VA_ARGS__)
#define fcntl(...) traced_fcntl_any(__VA_ARGS__, 0, 0)
#define traced_fcntl_any(fd, command, flags, ...) traced_fcntl(fd, command, flags)
#define pthread_create(...) traced_pthread_create(__VA_ARGS__)

#endif
