//! How the library is linked.
//!
//! A preload must load in every sandbox and cost little at start, so it may depend on libc alone. rustc names `gcc_s`
//! itself, where `-static-libgcc` does not reach; a linker script of that name, found first, leads to the static halves.

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
    // The oldest glibc that is out there for servers is 2.17. The loader is asked for libc alone, and so is musl's: it
    // takes libc.so.6 for itself, and knows no ld-linux.
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
        // crtbeginS.o brings four weak names that nobody has and that ld.so looks for in every library.
        "-nostartfiles",
        // Without the standard library, nobody else names it.
        "-lc",
        // No lazy binding: the first call of a libc function may come from a signal handler.
        "-Wl,-z,now",
        "-Wl,-z,relro",
        "-Wl,-soname,libnosigpipe.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    // What `runtime` has found out: a linker that gives functions versions.
    if let Ok(versions) = env::var("DEP_NOSIGPIPE_RUNTIME_VERSIONS") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={versions}");
        if let Ok(folder) = env::var("DEP_NOSIGPIPE_RUNTIME_LINKER") {
            println!("cargo::rustc-cdylib-link-arg=-fuse-ld=lld");
            println!("cargo::rustc-cdylib-link-arg=-B{folder}");
        }
    }
    // The demo's crash is to have a name in a binary without symbols.
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=demo_server_looks_up_session");
}

fn macos() {
    // Two words and no -Wl: the compiler driver and the linker itself take them alike.
    println!("cargo::rustc-cdylib-link-arg=-install_name");
    println!("cargo::rustc-cdylib-link-arg=@rpath/libnosigpipe.dylib");
    // No lazy binding: dyld's lock would be asked for by the first call of a libSystem function, which may come from a
    // signal handler. Apple's linker and lld have different words for it; rust-lld is what links elsewhere.
    let on_mac = env::var("HOST").is_ok_and(|host| host.contains("-apple-"));
    println!("cargo::rustc-cdylib-link-arg={}", if on_mac { "-bind_at_load" } else { "-fixup_chains" });
}
