// A file is cut short under a mapping. The handler, installed by signal(3), makes it long enough again, and the load succeeds, each time.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int file;
static volatile int faults, i;
static volatile char *page;

static void on_fault(int number) {
    faults++;
    ftruncate(file, 4096);
}

__attribute__((noinline)) static void load(void) { (void)*page; }

int main(void) {
    char name[] = "shortened.XXXXXX";
    file = mkstemp(name);
    unlink(name);
    page = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
    signal(SIGBUS, on_fault);
    for (i = 0; i < 5; i++) {
        ftruncate(file, 0);
        load();
    }
    printf("%d faults\n", faults);
    return 0;
}
