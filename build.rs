//! How the library is linked.
//!
//! A preloaded library must load in every sandbox and cost little at start, so it may depend on libc alone. But rustc
//! has the linker link with `gcc_s`, and `-static-libgcc` does not change that. So a linker script with the name of
//! that library, which the linker finds first, names libgcc's static libraries instead.

use std::{env, fs, path::PathBuf};

#[path = "build/old_libc.rs"]
mod old_libc;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => linux(),
        Ok("macos") => macos(),
        _ => println!("cargo::error=nosigpipe is for Linux and macOS"),
    }
}

fn linux() {
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=OUT_DIR is not set");
        return;
    };
    if let Err(error) = fs::write(out.join("libgcc_s.so"), "GROUP ( libgcc_eh.a libgcc.a )\n") {
        println!("cargo::error={}: {error}", out.join("libgcc_s.so").display());
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    // The launcher for machines that have only musl. The library is built for glibc, and serves both.
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=demo_server_looks_up_session");
        return;
    }
    // The oldest glibc that servers still have is 2.17 (RHEL 7). The files need libc.so.6 and no other library: musl's
    // loader takes that name for its own, and knows no ld-linux.
    let old = out.join("old");
    if let Err(error) = old_libc::make(&old) {
        println!("cargo::error={error}");
    }
    for option in ["rustc-cdylib-link-arg", "rustc-link-arg-bins"] {
        println!("cargo::{option}=-L{}", old.display());
    }
    println!("cargo::rerun-if-changed=build");
    for library in ["libpthread.so", "libdl.so"] {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-as-needed,{},--as-needed", old.join(library).display());
    }
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "aarch64")
        && let Some(loader) = old_libc::loader_of_arm64()
    {
        println!("cargo::rustc-link-arg-bins={}", loader.display());
    }
    for argument in [
        // Handlers and atfork entries point into the library for as long as the process lives.
        "-Wl,-z,nodelete",
        // crtbeginS.o has four weak references that nobody defines, and ld.so would look for each in every library.
        "-nostartfiles",
        // Without the standard library, nothing else has the linker link with libc.
        "-lc",
        // No lazy binding: the first call of a libc function may come from a signal handler.
        "-Wl,-z,now",
        "-Wl,-z,relro",
        "-Wl,-soname,libnosigpipe.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // Set by the build script of `runtime` where the linker can give functions versions.
    if let Ok(versions) = env::var("DEP_NOSIGPIPE_RUNTIME_VERSIONS") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={versions}");
        if let Ok(folder) = env::var("DEP_NOSIGPIPE_RUNTIME_LINKER") {
            println!("cargo::rustc-cdylib-link-arg=-fuse-ld=lld");
            println!("cargo::rustc-cdylib-link-arg=-B{folder}");
        }
    }
    // A report of the demo's crash is to name this function, though the binary has no symbol table.
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=demo_server_looks_up_session");
}

fn macos() {
    // As two arguments without -Wl: so both a compiler driver and the linker itself understand them.
    println!("cargo::rustc-cdylib-link-arg=-install_name");
    println!("cargo::rustc-cdylib-link-arg=@rpath/libnosigpipe.dylib");
    // No lazy binding: the first call of a libSystem function would take dyld's lock, and it may come from a signal
    // handler. Apple's linker, which links on a Mac, and rust-lld, which links elsewhere, have different options for
    // that.
    let on_mac = env::var("HOST").is_ok_and(|host| host.contains("-apple-"));
    println!("cargo::rustc-cdylib-link-arg={}", if on_mac { "-bind_at_load" } else { "-fixup_chains" });
}
