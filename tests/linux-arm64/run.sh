# What is tested in the arm64 machine, by busybox's shell. One line for each test; status 1 if one has failed.
cd /mnt/host
library=$PWD/libnosigpipe.so
failed=0

# What a shell shows when the program has died of SIGPIPE, SIGSEGV and so on.
PIPE=141 SEGV=139 ABRT=134 TRAP=133 ILL=132 BUS=135

# expect NAME STATUS PROGRAM...: runs without and with a preload as $with says, and compares the exit status; what was written to
# standard error is in /tmp/err.
expect() {
    name=$1 wanted=$2
    shift 2
    env $with "$@" >/tmp/out 2>/tmp/err
    status=$?
    if [ $status = "$wanted" ]; then
        echo "ok      $name"
    else
        echo "FAILED  $name: status $status instead of $wanted"
        head -5 /tmp/err /tmp/out
        failed=1
    fi
}

# has NAME PATTERN...: each pattern is in what the last program has written to standard error.
has() {
    name=$1
    shift
    for pattern in "$@"; do
        if ! grep -qE -- "$pattern" /tmp/err; then
            echo "FAILED  $name: no $pattern in"
            cat /tmp/err
            failed=1
            return
        fi
    done
    echo "ok      $name"
}

# An emulator on a busy machine is slow, and what is tested is not how fast a report is.
preload="LD_PRELOAD=$library NOSIGPIPE_CRASH_TIMEOUT=60"
sockets="$preload NOSIGPIPE_SCOPE=sockets"

with=A=b expect "a naive server dies bare" $PIPE ./server write 1
for call in write writev pwritev2 send sendto sendmsg sendmmsg sendfile splice write_raw sendto_raw; do
    with=$preload expect "survives $call in scope process" 0 ./server $call 20
    with="$sockets NOSIGPIPE_LOG=summary" expect "survives $call in scope sockets" 0 ./server $call 20
    has "  all counted" "20 broken pipes survived"
done
clients=$(cat clients)
for scope in process sockets; do
    with="$preload NOSIGPIPE_SCOPE=$scope NOSIGPIPE_LOG=summary" expect "survives $clients clients in scope $scope" 0 ./server write $clients
    has "  all counted" "$clients broken pipes survived"
done
with="$sockets NOSIGPIPE_LOG=broken-pipes" expect "the call is named" 0 ./server write 1
has "  write" "broken pipe survived in write, descriptor [0-9]+, peer 127.0.0.1"
with="$sockets NOSIGPIPE_LOG=broken-pipes" expect "the call is named" 0 ./server sendto_raw 1
has "  sendto" "broken pipe survived in sendto, "
with="$sockets PIPE=1" expect "survives beside a broken pipe" 0 ./server write 20

for how in clone syscall clone3; do
    with=A=b expect "children that have their parent's memory, by $how, bare" $SEGV ./vm_child $how
    mv /tmp/out /tmp/bare
    with=$sockets expect "  ends as bare" $SEGV ./vm_child $how
    has "  and is reported" "crashed: SIGSEGV"
    if cmp -s /tmp/bare /tmp/out; then
        echo "ok        sets signals as bare"
    else
        echo "FAILED    sets other signals than bare"
        diff /tmp/bare /tmp/out
        failed=1
    fi
done

with=A=b expect "a thread that has lost its control block ends bare" $SEGV ./control_block_lost
with=$sockets expect "  and with the library" $SEGV ./control_block_lost
has "  and is reported" "in lookup"

for what in pipe pipe_in_thread stdio splice raise kill; do
    with=A=b expect "$what ends bare" $PIPE ./pipes $what
    with=$sockets expect "$what ends in scope sockets" $PIPE ./pipes $what
done
for what in pipe pipe_in_thread stdio splice; do
    with=$preload expect "$what goes on in scope process" 0 ./pipes $what
done
for what in socket_beside_pipe handler; do
    with=$sockets expect "$what in scope sockets" 0 ./pipes $what
    with=$preload expect "$what in scope process" 0 ./pipes $what
done
with=$preload expect "children start with the default action" 0 ./pipes children
with="$preload NOSIGPIPE_SCOPE=tree" expect "children ignore it in scope tree" 1 ./pipes children
(LD_PRELOAD=$library NOSIGPIPE_SCOPE=sockets ./pipes yes; echo $? >/tmp/status) | head -n 1 >/dev/null
[ "$(cat /tmp/status)" = $PIPE ] && echo "ok      yes ends when nobody reads" || { echo "FAILED  yes ends when nobody reads: $(cat /tmp/status)" && failed=1; }

crash() {
    kind=$1 wanted=$2 program=$3
    shift 3
    with=A=b expect "$program $kind bare" $wanted ./$program $kind $mode
    with=$preload expect "$program $kind $mode ends as bare" $wanted ./$program $kind $mode
    has "  and is reported" "$@"
}
others='in thread[s]? .*"?(first|second)"?|waiting_function at .*crash.c:'
for program in crash crash-signed crash-frameless; do
    crash read $SEGV $program 'SIGSEGV.*reading 0x10' '#0 +leaf_read at .*crash.c:[0-9]+' 'crash at .*crash.c:[0-9]+' 'main at .*crash.c:[0-9]+' "$others" 'x29|x0'
    mode=thread crash write $SEGV $program 'SIGSEGV.*writing 0x10' '#0 +leaf_write' '#[0-9]+ +run at ' "$others"
done
crash jump $SEGV crash 'executing 0x0' 'crash at .*crash.c' 'main at'
crash wild $SEGV crash 'reading 0x0?141414141414141' 'none that arm64 has' 'leaf_read at' 'main at'
crash readonly $SEGV crash 'writing' 'SEGV_ACCERR' 'leaf_write at' 'but not written'
crash overflow $SEGV crash 'stack overflow' 'deep at' 'main at'
mode=thread crash overflow $SEGV crash 'stack overflow' 'deep at' 'run at'
crash abort $ABRT crash 'SIGABRT' 'abort' 'crash at' 'main at'
crash trap $TRAP crash 'SIGTRAP' 'brk' 'crash at' 'main at'
crash illegal $ILL crash 'SIGILL' 'udf' 'crash at' 'main at'
crash bus $BUS crash 'SIGBUS' 'reading' 'leaf_read at' 'main at'
crash kill $SEGV crash 'SIGSEGV' 'raise|kill' 'main at'
with=$preload expect "a crash with all signals blocked" $SEGV ./masked all
has "  and is reported" 'SIGSEGV.*reading 0x0' 'fail at .*masked.c' 'main at'
with=$preload expect "a crash with its own signal blocked ends" $SEGV ./masked one
with=$preload expect "abort with all signals blocked" $ABRT ./masked abort
has "  and is reported" 'SIGABRT' 'fail at .*masked.c' 'main at'
mode=rethrow crash read $SEGV crash 'SIGSEGV.*reading 0x10' 'leaf_read at' 'main at'
with=$preload expect "a handler that only returns ends" $SEGV ./crash read returns
has "  and is reported" 'reading 0x10'

# Where the core comes from is the crash itself.
ulimit -c unlimited
echo /tmp/core >/proc/sys/kernel/core_pattern
with=$preload expect "a core is written" $SEGV ./crash read
[ -s /tmp/core ] && echo "ok        core" || { echo "FAILED    no core" && failed=1; }
rm -f /tmp/core

with=A=b expect "launcher: run" 0 ./nosigpipe run --scope sockets -- ./server write 5
with=A=b expect "launcher: run in scope process" 0 ./nosigpipe run -- ./server write 5
with=A=b expect "launcher: check" 0 ./nosigpipe check ./server
with=A=b expect "launcher: check of a static program" 125 ./nosigpipe check /bin/busybox
with=A=b expect "launcher: demo" 0 ./nosigpipe demo

# Stacks of a running process: main, and the two threads that wait.
./crash wait &
waiter=$!
# All are there when main sleeps for good: in ppoll, which pause() calls there.
until grep -q "^73 " /proc/$waiter/syscall 2>/dev/null; do :; done
with=A=b expect "launcher: stack" 0 ./nosigpipe stack $waiter
cat /tmp/out >/tmp/err
has "  all threads" 'main at .*crash.c' 'crash at .*crash.c' 'waiting_function at .*crash.c' 'first' 'second'
kill -0 $waiter && echo "ok        lives on" || { echo "FAILED    lives on" && failed=1; }
kill $waiter

if command -v python3.11 >/dev/null; then
    cat >/tmp/stuck.py <<'END'
import ctypes, sys, time, threading; started = threading.Event()
def worker():
    started.set(); time.sleep(1000)
def inner(how):
    if how == "crash":
        ctypes.string_at(0)
    print("ready", flush=True)
    time.sleep(1000)
def outer(how):
    inner(how)
threading.Thread(target=worker, daemon=True).start(); started.wait()
outer(sys.argv[1])
END
    with=$preload expect "Python crashes" $SEGV python3.11 /tmp/stuck.py crash
    has "  with its frames" 'inner.*stuck.py:6' 'outer.*stuck.py:10' 'worker.*stuck.py:3'
    mkfifo /tmp/ready
    python3.11 /tmp/stuck.py wait >/tmp/ready &
    waiter=$!
    read -r ready </tmp/ready
    # It says so before it sleeps: in clock_nanosleep, both.
    until [ "$(cat /proc/$waiter/task/*/syscall | grep -c '^115 ')" = 2 ]; do :; done
    with=A=b expect "launcher: stack of Python" 0 ./nosigpipe stack $waiter
    cat /tmp/out >/tmp/err
    has "  with its frames" 'inner.*stuck.py:8' 'outer.*stuck.py:10' 'worker.*stuck.py:3'
    kill $waiter
fi
exit $failed
