//! include/nosigpipe.h, from C and from C++.

use harness::{bare, compile, library, root};

#[test]
fn programs_that_link_get_the_two_functions() {
    for source in ["api.c", "api_cpp.cpp"] {
        let program = compile(&root().join("tests/programs").join(source), &[&library().display().to_string()]);
        let directory = library().parent().unwrap_or_else(|| panic!("the library is in a directory"));
        let outcome = bare(program).env("LD_LIBRARY_PATH", directory).scope("off").run();
        outcome.assert_silent_success().assert_stdout(
            "configure 0 errno 4711\n\
             send 5 errno 4711, arrived 5\n\
             send -1 EPIPE\n\
             configure -1 ENOTSOCK\n\
             configure -1 EBADF\n\
             send -1 EBADF\n",
        );
    }
}
