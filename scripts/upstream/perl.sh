# Perl's own tests of processes, pipes, sockets and signals, with Debian's interpreter.
packages=(perl)

build() {
    local tree=$cache/src/perl-tests from
    unpack perl && rm -rf "$tree" && mkdir -p "$tree/lib" && cp -r "$cache/src/perl/t" "$tree/t" || return
    # The tests look for the interpreter and its modules beside themselves.
    for from in $(perl -MConfig -e 'print "@Config{qw(privlibexp archlibexp)} ", $Config{archlibexp} =~ s{/perl/[^/]*$}{/perl-base}r'); do
        cp --recursive --symbolic-link --force "$from/." "$tree/lib/"
    done
    ln -sf "$(command -v perl)" "$tree/perl" && ln -sf "$(command -v perl)" "$tree/t/perl"
}

run() {
    local test
    cd "$cache/src/perl-tests/t" || exit
    for test in io/{pipe,socket,socketpair,eintr,eintr_print,errnosig,closepid,openpid,dup,inplace,through,fs,argv}.t \
        op/{sigdispatch,sigsystem,fork,exec,alarm,kill0,magic,die_exit,sleep,stat,getpid,getppid}.t run/{exit,fresh_perl,runenv}.t \
        "$cache"/src/perl/{dist/IO,ext/IPC-Open3,cpan/Socket}/t/*.t "$cache"/src/perl/ext/POSIX/t/{sig,wait}*.t; do
        echo "=== $test"
        "$@" ./perl -I. -I../lib "$test"
        echo "--- $?"
    done
}

results() {
    sed -n -e '/^=== /{s///;s/.*src\/perl\///;h}' -e 's/^\(ok\|not ok\) \([0-9]*\).*/\2\t\1/;t test' -e '/^--- /{s///;s/$/\tended/;b test}' \
        -e 'b' -e ':test' -e 'G;s/\(.*\)\t\(.*\)\n\(.*\)/\3 \1\t\2/p'
}
