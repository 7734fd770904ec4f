// link: constructor_library.c
/* A library that the program is linked with crashes when it is loaded, before the program has begun. */
int zoo_library(void);

int main(void) {
    return zoo_library();
}
