# CPython's own tests of what has to do with signals, sockets and processes, with Debian's interpreter: each file is a process
# that was started with the library, and not the child of one.
packages=(python3 libpython3.11-testsuite)

build() {
    mkdir -p "$cache/src/python"
}

run() {
    local test
    cd "$cache/src/python" || exit
    rm -f ./*.xml
    for test in test_signal test_threadsignals test_subprocess test_socket test_os test_posix test_popen test_pty test_faulthandler \
        test_select test_selectors test_poll test_epoll test_asyncore test_asynchat test_ftplib test_smtplib test_ssl test_httpservers \
        test_xmlrpc test_urllib2_localnet test_asyncio test_multiprocessing_fork test_concurrent_futures test_io test_cmd_line test_site; do
        echo "=== $test"
        "$@" /usr/bin/python3 -m test --verbose3 --timeout 120 --junit-xml "$PWD/$test.xml" "$test"
        echo "--- $?"
    done
    /usr/bin/python3 -c '
import glob, xml.etree.ElementTree as tree
for file in sorted(glob.glob("*.xml")):
    for test in tree.parse(file).iter("testcase"):
        how = [part.tag for part in test if part.tag in ("error", "failure", "skipped")]
        print("RESULT", test.get("name"), *how or ["ok"], sep="\t")'
}

results() {
    sed -n -e 's/^RESULT\t//p' -e '/^=== /{s///;h}' -e '/^--- /{s///;H;x;s/\n/\t/p}'
}
