/* nosigpipe.h - for programs that can link with libnosigpipe instead of being started with it.

   Linking is enough for everything that preloading does: the library's constructor runs before main, with the same
   settings from the environment. These two functions are for code that must also be safe where the library was told to
   keep out (NOSIGPIPE_SCOPE=off), or that wants to say in the source what it relies on.

   Both may be called from any thread and from a signal handler, before main and in a child after fork or vfork. Neither
   takes a lock, allocates, or changes errno when it succeeds. */

#ifndef NOSIGPIPE_H
#define NOSIGPIPE_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a socket raise no SIGPIPE, by any call, where the system has an option for that.

   macOS: sets SO_NOSIGPIPE (setsockopt(2)); a connection that is already shut down in both directions, for which the
   kernel answers EINVAL, counts as success. Linux has no such option: there the function only checks its argument, and
   it is nosigpipe_send(), or the library's scope, that protects.

   fd: an open socket.
   Returns 0, or -1 with errno set: EBADF (not an open descriptor), ENOTSOCK (not a socket). */
int nosigpipe_configure_socket(int fd);

/* send(2) that raises no SIGPIPE: when the peer is gone it returns -1 with errno EPIPE. It adds MSG_NOSIGNAL (Linux;
   macOS 11 and later) to the flags and is otherwise send(2): it may send less than asked for, may block, and may be a
   cancellation point.

   fd: a connected socket. data, length: what to send, in bytes. flags: MSG_* as for send(2).
   Returns the number of bytes sent, or -1 with errno set as by send(2). */
ssize_t nosigpipe_send(int fd, const void *data, size_t length, int flags);

#ifdef __cplusplus
}
#endif

#endif
