// sources: zoo.h
/* An exception that nobody catches. */
#include "zoo.h"
#include <stdexcept>

int fail(int depth) {
    if (depth > zero)
        throw std::runtime_error("no such model"); /* CRASH */
    return depth;
}

int main() {
    sink = serve(0); /* CALL */
    return 0;
}
