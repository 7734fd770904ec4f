// sources: zoo.h
/* Crashes in the destructor of a static object, when main is over. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(nullptr);
    return nowhere[0] + depth; /* CRASH */
}

struct Server {
    FN ~Server() {
        sink = serve(0); /* CALL */
    }
};

static Server server;

int main() {
    return 0;
}
