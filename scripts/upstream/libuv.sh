# libuv's own tests, all of them children of one runner.
packages=(gcc make libc6-dev autoconf automake libtool)

build() {
    unpack libuv1 && cd "$cache/src/libuv1" &&
        sh autogen.sh && ./configure --disable-shared CFLAGS='-O1 -w' && make -j2 && make -j2 test/run-tests
}

run() {
    cd "$cache/src/libuv1" || exit
    export UV_RUN_AS_ROOT=1
    "$@" ./test/run-tests
}

results() {
    sed -n 's/^\(ok\|not ok\) [0-9]* - \([^ ]*\).*/\2\t\1/p'
}
