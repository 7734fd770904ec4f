// sources: zoo.h
/* An exception that leaves a noexcept function. */
#include "zoo.h"
#include <stdexcept>

FN static void thrower(int depth) {
    if (depth > zero)
        throw std::runtime_error("no such model"); /* CRASH */
}

FN static void promise(int depth) noexcept {
    thrower(depth); /* CALL */
    sink = depth;
}

int fail(int depth) {
    promise(depth); /* CALL */
    return (int)sink;
}

int main() {
    try {
        sink = serve(0); /* CALL */
    } catch (...) {
    }
    return 0;
}
