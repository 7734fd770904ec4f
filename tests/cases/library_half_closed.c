// A library whose constructor runs before ours has opened another one, whose memory is gone while the loader still lists it: as it is
// in the middle of a dlclose in a thread that the constructor has started. Nothing of it may be read, though its names would come
// behind libc's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef LIBRARY
static int unmap(struct dl_phdr_info *info, size_t size, void *name) {
    if (!strstr(info->dlpi_name, name)) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD) continue;
        unsigned long start = (info->dlpi_addr + segment->p_vaddr) & -4096, end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
        // Not its program headers, which dl_iterate_phdr is reading.
        if (i) munmap((void *)start, end - start);
    }
    return 1;
}

__attribute__((constructor)) static void early(void) {
    if (!dlopen("libutil.so.1", RTLD_NOW)) _exit(78);
    if (!dl_iterate_phdr(unmap, "libutil")) _exit(79);
}
#else
static void on_signal(int number) { write(1, "handled\n", 8); }

int main(void) {
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    _exit(3); // past the destructors of what is no longer there
}
#endif
