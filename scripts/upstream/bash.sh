# bash's own tests: each compares a script's output with what it should be.
packages=(gcc make libc6-dev libncurses-dev bison)

build() {
    unpack bash && cd "$cache/src/bash" &&
        ./configure --without-bash-malloc --with-curses CFLAGS='-O1 -w' && # as Debian's
        make -j2 && make -j2 recho zecho printenv xcase && cp recho zecho printenv xcase tests
}

run() {
    cd "$cache/src/bash/tests" || exit
    export THIS_SH=../bash BUILD_DIR=$cache/src/bash BASH_TSTOUT=$cache/src/bash.out PATH=$PWD:$PATH
    ../bash ./version # sources what some tests need
    "$@" sh -c 'for test in run-*; do
            case $test in run-all | run-minimal | run-gprof) continue ;; esac
            echo "=== $test"
            timeout 120 sh "$test" 2>&1
            echo "--- $?"
        done'
}

# A test's result is its exit status and what it prints, with process ids, which change from run to run, left out.
results() {
    sed 's/([0-9]\{2,\})/(PID)/' | LC_ALL=C awk '
        /^=== / { name = $2; text = ""; next }
        /^--- / { print name "\t" $2 " " hash(text); next }
        { text = text $0 "\n" }
        function hash(text,    value, i) {
            for (i = 1; i <= length(text); i++) value = (value * 31 + code[substr(text, i, 1)]) % 4294967291
            return sprintf("%08x", value)
        }
        BEGIN { for (i = 0; i < 256; i++) code[sprintf("%c", i)] = i }'
}
