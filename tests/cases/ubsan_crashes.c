// Built with -fsanitize=undefined: that sanitizer says what is undefined, and leaves the crash alone.
__attribute__((noinline)) static int read_from(const int *address) {
    return *(const volatile int *)address;
}

int main(int count, char **arguments) {
    (void)arguments;
    return read_from((const int *)((long)count * 64));
}
