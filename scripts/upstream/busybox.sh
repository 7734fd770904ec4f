# busybox's own tests, with the applets that Debian has.
packages=(gcc make libc6-dev)

build() {
    unpack busybox && cd "$cache/src/busybox" && cp debian/config/pkg/deb .config &&
        yes '' | make oldconfig && make -j2 EXTRA_CFLAGS=-w busybox
}

run() {
    cd "$cache/src/busybox/testsuite" || exit
    export SKIP_KNOWN_BUGS=y SKIP_INTERNET_TESTS=y ECHO=/bin/echo
    "$@" ./runtest
}

results() {
    sed -n 's/^\(PASS\|FAIL\|SKIPPED\|UNTESTED\): \(.*\)/\2\t\1/p'
}
