// A handler that was set by signal makes code executable, which is mapped behind a file whose path has more than 600 bytes. Each fault has
// the same registers as the one before.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __aarch64__
static const unsigned code[] = {0x52800540, 0xd65f03c0};  // mov w0, #42; ret
#else
static const unsigned char code[] = "\xb8\x2a\0\0\0\xc3";  // mov eax, 42; ret
#endif
static char *page;

static void handler(int signal) { mprotect(page, 4096, PROT_READ | PROT_EXEC), (void)signal; }

static char *map_at(long address, int protection, int file) {
    int kind = file < 0 ? MAP_ANONYMOUS : 0;
    char *memory = mmap((void *)address, 65536, protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE | kind, file, 0);
    return memory == (char *)address ? memory : 0;
}

int main(void) {
    char path[1024] = "", part[201] = "";
    memset(part, 'x', 200);
    for (int depth = 0; depth < 3; depth++) {
        strcat(path, part);
        if (mkdir(path, 0700) && access(path, X_OK)) return 77;
        strcat(path, "/");
    }
    int file = open(strcat(path, "f"), O_RDWR | O_CREAT, 0600);
    if (!map_at(0x10000000, PROT_READ, -1) || !map_at(0x20000000, PROT_READ, file)) return 77;
    page = map_at(0x30000000, PROT_READ | PROT_WRITE, -1);
    if (!page) return 77;
    memcpy(page, code, sizeof code);
    __builtin___clear_cache(page, page + sizeof code);
    signal(SIGSEGV, handler);
    volatile int sum = 0;
    for (volatile int i = 0; i < 50; i++) {
        mprotect(page, 4096, PROT_READ);
        sum += ((int (*)(void))page)();
    }
    printf("%d\n", sum);
}
