//! Which function a report names first.

use report::{Frame, Report};

/// The file that is named where `file` called something that libc ended, from `main.c`.
fn named(file: &str) -> String {
    let frame = |function: &str, file: &str| Frame { function: function.into(), file: file.into(), ..Frame::default() };
    let frames = vec![frame("called", file), frame("main", "/home/me/main.c")];
    let report = Report { frames, ..Report::default() };
    report.culprit().map(|frame| frame.file.clone()).unwrap_or_default()
}

#[test]
fn headers_of_the_system_are_not_the_program_s_whatever_compiler_they_belong_to() {
    for file in [
        "/usr/include/x86_64-linux-gnu/bits/string_fortified.h",
        "/usr/aarch64-linux-gnu/include/bits/string_fortified.h",
        "/usr/arm-linux-gnueabihf/include/stdlib.h",
        "/usr/aarch64-linux-gnu/include/c++/12/bits/stl_vector.h",
        "/usr/lib/gcc-cross/aarch64-linux-gnu/12/include/arm_neon.h",
        "/usr/lib/llvm-19/include/c++/v1/vector",
        "/opt/rh/gcc-toolset-14/root/usr/include/c++/14/bits/unique_ptr.h",
        "/opt/sdk/sysroots/cortexa72-poky-linux/usr/include/bits/unistd.h",
    ] {
        assert_eq!(named(file), "/home/me/main.c", "{file}");
    }
    for file in ["/home/me/include/bits.h", "/usr/local/include/model.h", "/usr/src/a-linux-tool/include/a.h", "a.c"] {
        assert_eq!(named(file), file);
    }
}
