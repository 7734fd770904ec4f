/* Somebody else's preload: says when send comes by, and passes it on. With INDIRECT its send is an indirect function. */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef INDIRECT
static ssize_t passing_on(int fd, const void *data, size_t length, int flags);
static __typeof__(&passing_on) choose(void) { return passing_on; }
ssize_t send(int fd, const void *data, size_t length, int flags) __attribute__((ifunc("choose")));
static ssize_t passing_on(int fd, const void *data, size_t length, int flags) {
#else
ssize_t send(int fd, const void *data, size_t length, int flags) {
#endif
    static const char text[] = "other preload: send\n";
    ssize_t (*next)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    if (write(2, text, sizeof text - 1) < 0)
        return -1;
    return next(fd, data, length, flags);
}
