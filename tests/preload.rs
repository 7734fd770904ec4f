//! The plainest case: what kills a program bare is an error under the library.

use harness::{SIGPIPE, bare, preloaded, program};

const BOTH_FAIL: &str = "send -1 EPIPE\nwrite -1 EPIPE\n";

#[test]
fn a_write_to_a_closed_socket_kills_the_bare_program() {
    bare(program("write_to_closed_socket")).run().assert_killed_by(SIGPIPE).assert_silent().assert_stdout("");
}

#[test]
fn a_write_to_a_closed_socket_fails_under_the_library() {
    for scope in ["process", "sockets", "tree"] {
        let outcome = preloaded(program("write_to_closed_socket")).scope(scope).run();
        outcome.assert_silent_success().assert_stdout(BOTH_FAIL);
    }
}

#[test]
fn scope_off_leaves_the_program_as_it_is() {
    preloaded(program("write_to_closed_socket")).scope("off").run().assert_killed_by(SIGPIPE).assert_silent();
}
