//! Whether hooks can have versions: `has_versions`, and for the crate that links the library what the linker is to be
//! told (DEP_NOSIGPIPE_RUNTIME_VERSIONS and _LINKER).
//!
//! rustc tells the linker by a version script without version names what is exported. LLD accepts a second script with
//! named versions. GNU ld refuses it ("anonymous version tag cannot be combined with other version tags"). So a small
//! library is linked, as ours will be, to find out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The version script. References without a version are also bound to symbols of the first version (glibc's
/// do_lookup_x), so no symbol has that one.
const VERSIONS: &str = "NOSIGPIPE_UNUSED { };\nGLIBC_2.39 { };\n";

/// A library with a function in the last version.
const TRIAL: &str = r#"
#![no_std]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
core::arch::global_asm!(".globl trial", "trial: .zero 4", ".symver trial, pidfd_spawn@GLIBC_2.39");
#[unsafe(no_mangle)]
pub extern "C" fn without_version() {}
"#;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(has_versions)");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let (source, script) = (out.join("trial.rs"), out.join("versions.map"));
    if fs::write(&source, TRIAL).is_err() || fs::write(&script, VERSIONS).is_err() {
        return;
    }
    // As rustc links without being told more; then with the LLD that rustup brings, which is not every target's linker.
    // Another compiler than rustup's, $RUSTC, comes without LLD.
    let linker = lld_of(rustc()).or_else(|| lld_of(Command::new("rustc")));
    for folder in [None, linker.as_deref()] {
        if links(&out, &source, &script, folder) {
            println!("cargo::rustc-cfg=has_versions");
            println!("cargo::metadata=versions={}", script.display());
            if let Some(folder) = folder {
                println!("cargo::metadata=linker={}", folder.display());
            }
            return;
        }
        if linker.is_none() {
            break;
        }
    }
    println!("cargo::warning=this linker takes no versions of functions: no hook for pidfd_spawn");
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Where a compiler that rustup has installed comes with LLD, under the name by which compiler drivers look for it.
fn lld_of(mut rustc: Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    let host = env::var("HOST").ok()?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}

/// Whether the trial is linked, with the flags that the library will be linked with.
fn links(out: &Path, source: &Path, script: &Path, lld: Option<&Path>) -> bool {
    let mut command = rustc();
    command.args(["--crate-type", "cdylib", "--edition", "2024", "-C", "panic=abort", "-o"]).arg(out.join("trial.so"));
    if let Ok(target) = env::var("TARGET") {
        command.arg("--target").arg(target);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        command.arg("-C").arg(format!("linker={}", Path::new(&linker).display()));
    }
    command.args(env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().split('\x1f').filter(|flag| !flag.is_empty()));
    command
        .args(["-C", "link-arg=-nostartfiles", "-C"])
        .arg(format!("link-arg=-Wl,--version-script={}", script.display()));
    if let Some(folder) = lld {
        command.args(["-C", "link-arg=-fuse-ld=lld", "-C"]).arg(format!("link-arg=-B{}", folder.display()));
    }
    command.arg(source).output().is_ok_and(|output| output.status.success())
}
