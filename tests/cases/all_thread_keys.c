// A program that takes every key of a thread's own data there is, by POSIX's function, or with an argument by C11's: the one that the
// library has taken is the program's when there is no other.
#include <pthread.h>
#include <stdio.h>
#include <threads.h>

int main(int argc, char **argv) {
    pthread_key_t key;
    tss_t c11_key;
    int taken = 0;
    while (taken < 2000 && !(argc > 1 ? tss_create(&c11_key, NULL) != thrd_success : pthread_key_create(&key, NULL)))
        taken++;
    printf("%d keys\n", taken);
    return 0;
}
