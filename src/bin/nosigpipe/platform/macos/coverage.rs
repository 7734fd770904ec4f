//! How calls are covered on macOS, where each socket gets SO_NOSIGPIPE once, and no handler has to tell sockets from
//! pipes.

use hooktable::Role;

use crate::coverage::Way;

/// Every way, in the order in which they are shown. What is listed nowhere can neither raise SIGPIPE nor change it.
pub static WAYS: [Way; 7] = [
    Way {
        id: "option",
        explanation: "the sockets get SO_NOSIGPIPE, which every later call on them obeys",
        needs_hook: true,
        roles: &[Role::Socket],
        calls: &[],
    },
    Way {
        id: "flag",
        explanation: "MSG_NOSIGNAL is added at the call, too; broken pipes are counted",
        needs_hook: true,
        roles: &[Role::Send],
        calls: &[],
    },
    Way {
        id: "counted",
        explanation: "covered by the socket's option, and in scope process a broken pipe is EPIPE, too; counted",
        needs_hook: true,
        roles: &[Role::Write],
        calls: &[],
    },
    Way {
        id: "disposition",
        explanation: "covered by the socket's option, and in scope process a broken pipe is EPIPE, too; not counted",
        needs_hook: false,
        roles: &[],
        calls: &[
            "pwrite",
            "pwritev",
            "sendmsg_x",
            "connectx",
            "sendfile",
            "aio_write",
            "lio_listio",
            "syscall",
            "dprintf",
            "vdprintf",
            "fwrite",
            "fputs",
            "fputc",
            "putc",
            "putc_unlocked",
            "putw",
            "puts",
            "putchar",
            "putchar_unlocked",
            "printf",
            "fprintf",
            "vprintf",
            "vfprintf",
            "__swbuf",
            "perror",
            "fflush",
            "fclose",
        ],
    },
    Way {
        id: "action",
        explanation: "what the program sets for SIGPIPE holds and is told back; its sockets stay safe",
        needs_hook: true,
        roles: &[Role::Action],
        calls: &[],
    },
    Way {
        id: "child",
        explanation: "what is started has the SIGPIPE that this program itself was started with",
        needs_hook: true,
        roles: &[Role::Child],
        calls: &["execl", "execle", "execlp"],
    },
    Way {
        id: "fork",
        explanation: "libc tells the library, and the rest happens when the child calls exec",
        needs_hook: false,
        roles: &[],
        calls: &["fork", "vfork", "forkpty"],
    },
];
