// The stack of a thread that has no guard pages overflows into memory where nothing is mapped; what is mapped for the report is put there
// by the kernel.
#include <pthread.h>

__attribute__((noinline)) static int descend(int depth) {
    volatile char buffer[200];
    buffer[0] = (char)depth;
    return depth < 0 ? 0 : descend(depth + 1) + buffer[0];
}

static void *serve(void *unused) {
    descend(0);
    return unused;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setguardsize(&attributes, 0);
    pthread_t thread;
    pthread_create(&thread, &attributes, serve, 0);
    pthread_join(thread, 0);
    return 0;
}
