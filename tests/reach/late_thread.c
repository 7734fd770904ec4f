/* late_thread LIBRARY: loads a library that starts a thread; the program itself knows nothing of threads. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = dlopen(argv[argc - 1], RTLD_NOW);
    int (*start)(void) = library ? (int (*)(void))dlsym(library, "start_thread_late") : NULL;
    if (!start) {
        puts(dlerror());
        return 2;
    }
    return start();
}
