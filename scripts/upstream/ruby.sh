# Ruby's own tests of signals, processes, pipes and sockets, with Debian's interpreter.
packages=(ruby)

build() {
    unpack "$(dpkg-query --show --showformat '${Depends}' ruby | grep -o 'ruby[0-9.]*' | head -n 1)" && rm -rf "$cache/src/ruby" &&
        mv "$cache"/src/ruby[0-9]* "$cache/src/ruby"
}

run() {
    local test
    cd "$cache/src/ruby" || exit
    for test in ruby/test_{signal,process,io,thread_cv,fiber,beginendblock}.rb socket/test_{unix,tcp,nonblock,socket}.rb test_open3.rb net/http/test_http.rb; do
        # test_ignored_interrupt expects nothing on standard error from a process that dies of SIGTRAP; with the library there is a report.
        "$@" ruby -Itool/lib -Itest -Itest/lib tool/test/runner.rb -v -n '!/test_ignored_interrupt/' "test/$test"
    done
}

results() {
    sed -n 's/^\[ *[0-9]*\/[0-9]*\] \([A-Z][^ ]*\) = [0-9.]* s\( = [A-Z]\)\{0,1\}.*/\1\tended\2/p'
}
