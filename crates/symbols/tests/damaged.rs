//! Damaged files: whatever bytes are wrong, names are found or they are not, and nothing panics or takes for ever.
//!
//! The damage is made by a generator of fixed numbers, so that a failure comes again: NOSIGPIPE_TEST_SEED and
//! NOSIGPIPE_TEST_ROUNDS choose other numbers and more of them.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use std::time::Duration;

use symbols::values::{Passed, Process, State};
use symbols::{DebugFiles, demangle, elf, macho};

const NO_DEBUG_FILES: DebugFiles<'static> = DebugFiles { directories: &[], open: |_| None, variables: true };

/// xorshift64*, which is no good for anything but this.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    /// Changes up to eight places in a copy of `good`, half of them near its start, where the headers are.
    fn damage(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.next(8) {
            let range = if self.next(2) == 0 { 512.min(bytes.len()) } else { bytes.len() };
            let at = self.next(range);
            let value = [0, 1, 0x7f, 0x80, 0xff, self.next(256) as u8][self.next(6)];
            let length = [1, 1, 2, 4, 8][self.next(5)];
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = value);
        }
        if self.next(4) == 0 {
            bytes.truncate(self.next(good.len()));
        }
        bytes
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// How long this thread has had a processor: a busy machine makes a round no longer.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one structure, into `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned() as u32)
}

/// Reads damaged copies of a file until the rounds are over.
fn torture(good: &[u8], read: impl Fn(&'static [u8])) {
    let mut numbers = Numbers(from_environment("NOSIGPIPE_TEST_SEED", 0x9e37_79b9_7f4a_7c15));
    for round in 0..from_environment("NOSIGPIPE_TEST_ROUNDS", 400) {
        let bytes = Box::into_raw(numbers.damage(good).into_boxed_slice());
        let begin = processor_time();
        // SAFETY: it is there until it is freed below.
        read(unsafe { &*bytes });
        let taken = processor_time() - begin;
        assert!(taken < Duration::from_secs(20), "round {round} takes {taken:?}");
        // SAFETY: nothing of what was read is left.
        drop(unsafe { Box::from_raw(bytes) });
    }
}

/// A program with debug information, by the compiler that the tests need anyway.
fn compiled(flags: &[&str]) -> Vec<u8> {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    // Names of its own for each test: they run at once.
    let file = |end: &str| folder.join(format!("damaged{}.{end}", flags.join("")));
    let (source, object) = (file("c"), file("o"));
    std::fs::write(
        &source,
        "static int g(int *p) { return *p; }\nint f(int *p) { return g(p) + 1; }\nint main(void) { return f(0); }\n",
    )
    .expect("a source file");
    let gcc =
        std::process::Command::new("gcc").args(["-g", "-O1", "-o"]).arg(&object).arg(&source).args(flags).status();
    assert!(gcc.is_ok_and(|status| status.success()));
    std::fs::read(object).expect("what gcc has written")
}

fn read_elf(bytes: &'static [u8]) {
    if let Some(file) = elf::File::parse(bytes) {
        let _ = (file.build_id(), file.section(".debug_info"), file.section(".gnu_debuglink"));
    }
    let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
    for address in (0x1000..0x1200).step_by(16) {
        let _ = symbols.names(address);
    }
    let _ = symbols.object("main");
    let _ = read_variables(&symbols);
}

/// Reads the variables of what is at some addresses; how many values there were.
fn read_variables(symbols: &elf::Symbols) -> usize {
    let mut count = 0;
    // Memory that has something everywhere, and a stack that leads nowhere.
    struct Everywhere(u32);
    impl Process for Everywhere {
        fn read(&mut self, address: u64, bytes: &mut [u8]) -> usize {
            bytes.iter_mut().zip(address as u8..).for_each(|(to, byte)| *to = byte);
            bytes.len()
        }

        fn is_late(&mut self) -> bool {
            self.0 += 1;
            self.0 > 10_000
        }
    }
    let registers: Vec<_> = (0..17).map(|number| Some(0x10_0000 + number)).collect();
    for address in (0x1100..0x1200).step_by(32) {
        let entry = [(Passed::Register(5), address), (Passed::Parameter(1), 1)];
        let state = State { lookup: address, bias: 0x5000, registers: &registers, cfa: Some(0x7000), entry: &entry };
        let process = &mut Everywhere(0);
        if let Some(function) = symbols.function(address, process) {
            let variables = symbols.variables(&function, &state, process);
            count += variables.iter().map(|of| of.arguments.len() + of.locals.len()).sum::<usize>();
            for back in 0..16 {
                let _ = symbols.entry_values(&function, address + back, (&function, 0x5000), &state, process);
            }
        }
    }
    count
}

#[test]
fn elf_files_and_their_debug_information() {
    torture(&compiled(&[]), read_elf);
}

#[test]
fn elf_files_with_compressed_debug_information() {
    torture(&compiled(&["-gz"]), read_elf);
}

/// A stripped program that has kept its symbols, compressed by xz: the damage is done to what is compressed.
#[test]
fn elf_files_with_kept_symbols() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let run = |script: &str| {
        let done = std::process::Command::new("sh").args(["-ec", script]).current_dir(&folder).status();
        assert!(done.is_ok_and(|status| status.success()), "{script}");
    };
    std::fs::write(folder.join("kept"), compiled(&["-Og"])).expect("a program");
    run("objcopy --strip-debug kept kept.symbols; xz -kfc kept.symbols >kept.xz; strip kept");
    let packed = std::fs::read(folder.join("kept.xz")).expect("what xz has written");
    let stripped = std::fs::read(folder.join("kept")).expect("what strip has written");
    let with = |packed: &[u8]| {
        // A file of one section more, whose header is the last in the table, which is moved behind the content.
        let mut file = stripped.clone();
        let word = |file: &[u8], at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
        let (table, count) = (word(&file, 40) as usize, usize::from(u16::from_le_bytes([file[60], file[61]])));
        let names = usize::from(u16::from_le_bytes([file[62], file[63]]));
        let headers = file[table..table + count * 64].to_vec();
        let strings = word(&headers, names * 64 + 24) as usize;
        let old = file[strings..strings + word(&headers, names * 64 + 32) as usize].to_vec();
        let strings = file.len();
        file.extend(&old);
        file.extend(b".gnu_debugdata\0");
        let content = file.len();
        file.extend(packed);
        let table = file.len().next_multiple_of(8);
        file.resize(table, 0);
        file.extend(&headers);
        file[table + names * 64 + 24..][..8].copy_from_slice(&(strings as u64).to_le_bytes());
        file[table + names * 64 + 32..][..8].copy_from_slice(&(old.len() as u64 + 15).to_le_bytes());
        let mut header = [0; 64];
        header[..4].copy_from_slice(&(old.len() as u32).to_le_bytes());
        header[4] = 1;
        header[24..32].copy_from_slice(&(content as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(packed.len() as u64).to_le_bytes());
        file.extend(header);
        file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        file[60..62].copy_from_slice(&(count as u16 + 1).to_le_bytes());
        file
    };
    let names = |bytes: &'static [u8]| {
        let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
        (0x1000..0x1200).step_by(4).any(|address| symbols.names(address).iter().any(|name| name.function == "main"))
    };
    assert!(names(Box::leak(with(&packed).into_boxed_slice())), "no main among the kept symbols");
    let mut numbers = Numbers(from_environment("NOSIGPIPE_TEST_SEED", 11));
    for round in 0..from_environment("NOSIGPIPE_TEST_ROUNDS", 400) {
        let begin = processor_time();
        names(Box::leak(with(&numbers.damage(&packed)).into_boxed_slice()));
        let taken = processor_time() - begin;
        assert!(taken < Duration::from_secs(20), "round {round} takes {taken:?}");
    }
}

#[test]
fn the_undamaged_file_has_names_and_lines() {
    let bytes: &'static [u8] = Box::leak(compiled(&["-static-pie", "-nostdlib", "-Wl,-e,main"]).into_boxed_slice());
    let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
    let found = (0x1000..0x1100).flat_map(|address| symbols.names(address)).collect::<Vec<_>>();
    assert!(found.iter().any(|name| name.function == "main" && name.line == 3), "no main in line 3");
    let bytes: &'static [u8] = Box::leak(compiled(&["-O0"]).into_boxed_slice());
    let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
    assert_ne!(read_variables(&symbols), 0, "no argument of any function");
}

#[test]
fn macho_files() {
    // Header, segments and symbols of a small file, as they lie in memory.
    let mut file = Vec::new();
    let words = |file: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    words(&mut file, &[0xfeed_facf, 0x0100_000c, 0, 6, 3, 72 + 72 + 24, 0x85, 0]);
    for (name, address, offset) in [("__TEXT", 0u64, 0u64), ("__LINKEDIT", 0x4000, 0x400)] {
        words(&mut file, &[0x19, 72]);
        file.extend(name.bytes().chain([0; 16]).take(16));
        for value in [address, 0x4000, offset, 0x400] {
            file.extend(value.to_le_bytes());
        }
        words(&mut file, &[5, 5, 0, 0]);
    }
    words(&mut file, &[2, 24, 0x400, 1, 0x410, 16]);
    file.resize(0x400, 0);
    words(&mut file, &[1, 0x0000_010f, 0x100, 0]);
    file.extend(b"\0_function\0\0\0\0\0\0");
    file.resize(0x800, 0);
    torture(&file, |bytes| {
        if let Some(file) = macho::File::parse(macho::Data::File(bytes)) {
            let _ = (file.uuid(), file.section(b"__text"), file.function_start(0x100));
            if let Some(functions) = file.functions() {
                let _ = functions.symbol(0x104);
            }
        }
        let symbols = macho::Symbols::find("/nowhere", "", Some(macho::Data::File(bytes)), NO_DEBUG_FILES, true);
        let _ = symbols.names(0x104);
    });
}

#[test]
fn names_of_functions() {
    let names = [
        "_ZNSt6vectorIiSaIiEE9push_backERKi",
        "_RNvCs1234_7mycrate3foo",
        "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
    ];
    let mut numbers = Numbers(from_environment("NOSIGPIPE_TEST_SEED", 7));
    for name in names {
        for _ in 0..from_environment("NOSIGPIPE_TEST_ROUNDS", 2000) {
            let _ = demangle(&numbers.damage(name.as_bytes()));
        }
    }
    // What would nest or grow without end.
    let _ = demangle(format!("_Z1f{}", "P".repeat(100_000)).as_bytes());
    let _ = demangle(format!("_ZN{}E", "1a".repeat(50_000)).as_bytes());
    let _ = demangle(format!("_RN{}", "vC".repeat(50_000)).as_bytes());
}
