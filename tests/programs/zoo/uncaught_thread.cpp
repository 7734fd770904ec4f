// sources: zoo.h
/* An exception that nobody catches, in a std::thread. */
#include "zoo.h"
#include <stdexcept>
#include <thread>

int fail(int depth) {
    if (depth > zero)
        throw std::runtime_error("no such model"); /* CRASH */
    return depth;
}

FN static void work() {
    prctl(PR_SET_NAME, "cpp-worker");
    will_crash_at(NULL);
    sink = serve(0); /* CALL */
}

int main() {
    std::thread thread(work); /* CALL */
    thread.join(); /* CALL */
    return 0;
}
