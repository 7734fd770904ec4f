/* Prints what SIGPIPE is in this process. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    /* What the kernel says, not what the library makes of it. */
    char line[128];
    unsigned long long ignored = 0, caught = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "SigIgn: %llx", &ignored) != 1)
            sscanf(line, "SigCgt: %llx", &caught);
    unsigned long long bit = 1ull << (SIGPIPE - 1);
    puts(!status ? "unknown" : ignored & bit ? "ignored" : caught & bit ? "caught" : "default");
    return 0;
}
