// A key of thread-specific data that nobody has made, as a static variable is one before its initialization: setting, reading and deleting
// it fails as without the library, whose own key it is not; and a key that is made then has no value in a new thread.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static pthread_key_t never_made;
static pthread_key_t made;

static void destroyed(void *value) { printf("destroyed: %s\n", (char *)value); }

static void *use_it(void *unused) {
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("read: %s\n", pthread_getspecific(never_made) ? "a value" : "nothing");
    printf("set: %s\n", strerror(pthread_setspecific(never_made, memory)));
    return unused;
}

static void *delete_it(void *unused) {
    printf("deleted: %s\n", strerror(pthread_key_delete(never_made)));
    return unused;
}

static void *use_another(void *unused) {
    printf("read: %s\n", pthread_getspecific(made) ? "a value" : "nothing");
    pthread_setspecific(made, "the program's");
    return unused;
}

static void in_a_thread(void *(*routine)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, routine, NULL);
    pthread_join(thread, NULL);
}

int main(void) {
    in_a_thread(use_it);
    in_a_thread(delete_it);
    pthread_key_create(&made, destroyed);
    in_a_thread(use_another);
    in_a_thread(use_another);
    return 0;
}
