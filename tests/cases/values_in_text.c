/* A crash whose functions have arguments and variables: they are in the text of the report if NOSIGPIPE_VALUES asks for them, and nowhere if it does not. */
#include <stdio.h>

enum kind { SMALL, LARGE = 7 };
struct row { int id; double price; };

__attribute__((noinline)) static int query(int *volatile row, const char *password, enum kind kind, struct row *found) {
    struct row copy = *found;
    unsigned char letters[4] = "a\"b";
    return *row + copy.id + letters[0] + (kind == LARGE) + (password != 0);
}

__attribute__((noinline)) static int handle(int count) {
    struct row found = {count, 2.5};
    return query(NULL, "hunter2\x1b[2J", LARGE, &found) + 1;
}

int main(void) { return handle(42); }
