//! Where the members of CPython's structures are, by version. All offsets are in bytes.

use unwind::ReadMemory;

use crate::Problem;

/// How line numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// `co_lnotab`, up to 3.9
    Lnotab,
    /// `co_linetable` of 3.10 (PEP 626)
    Linetable,
    /// `co_linetable` from 3.11 on (PEP 657)
    Locations,
}

/// What a frame is, and the members that only this kind of frame has.
#[derive(Clone, Copy)]
pub enum Frames {
    /// A `PyFrameObject` (up to 3.10).
    Object {
        /// `f_lasti`: the last instruction's index, in units of `unit` bytes.
        last: u64,
        unit: i64,
        /// `f_lineno`: valid while the function is traced.
        line: u64,
        /// `f_trace`: not null while the function is traced. Without it, `f_lineno` is 0 while it is not.
        trace: Option<u64>,
    },
    /// A `_PyInterpreterFrame` (from 3.11 on).
    Interpreter {
        /// `prev_instr`, from 3.13 on `instr_ptr`: the address of the last instruction.
        instruction: u64,
        /// `owner`, a byte, enum _frameowner.
        owner: u64,
        /// Of a code object, `co_code_adaptive`: where its instructions begin.
        code: u64,
        /// Of a code object, `_co_firsttraceable`: the index of the first instruction that is the function's own.
        first: u64,
        /// Of a frame, `tlbc_index`, and of a code object, `co_tlbc`: which copy of the instructions the frame runs, and the list of
        /// copies (free-threaded builds from 3.14 on).
        copies: Option<(u64, u64)>,
    },
}

/// The members that are needed, each by the structure that it is in: `_PyRuntimeState` (`interpreters`), `PyInterpreterState`
/// (`interpreter_*`), `PyThreadState` (`thread_*`), frames (`frame_*`), `PyCodeObject` (`code_*`), `PyObject` and `PyTypeObject`,
/// `PyBytesObject` (`bytes_*`), `PyASCIIObject` (`text_*`).
pub struct Layout {
    /// Of `_PyRuntime`: the first interpreter.
    pub interpreters: u64,
    pub interpreter_next: u64,
    pub interpreter_id: u64,
    pub interpreter_threads: u64,
    pub thread_next: u64,
    pub thread_interpreter: u64,
    pub thread_pthread: u64,
    pub thread_native: Option<u64>,
    /// The newest frame, or what leads to it: `_PyCFrame`, with the offset of the frame in it.
    pub thread_frame: u64,
    pub thread_cframe: Option<u64>,
    pub frame_previous: u64,
    pub frame_code: u64,
    pub frames: Frames,
    pub code_file: u64,
    pub code_name: u64,
    pub code_qualname: Option<u64>,
    pub code_first_line: u64,
    pub code_lines: u64,
    pub lines: Lines,
    /// Of an object: its type. Of a type: its name, a C string.
    pub object_type: u64,
    pub type_name: u64,
    pub bytes_size: u64,
    pub bytes_data: u64,
    pub text_length: u64,
    pub text_state: u64,
    /// Bits of `state` below `kind`.
    pub text_shift: u32,
    /// Where the characters of ASCII texts begin.
    pub text_ascii: u64,
    /// Where those of other compact texts begin; of texts that are not compact, the address of their characters.
    pub text_other: u64,
}

const V3_8: Layout = Layout {
    interpreters: 32,
    interpreter_next: 0,
    interpreter_id: 16,
    interpreter_threads: 8,
    thread_next: 8,
    thread_interpreter: 16,
    thread_pthread: 176,
    thread_native: None,
    thread_frame: 24,
    thread_cframe: None,
    frame_previous: 24,
    frame_code: 32,
    frames: Frames::Object { last: 104, unit: 1, line: 108, trace: Some(80) },
    code_file: 104,
    code_name: 112,
    code_qualname: None,
    code_first_line: 40,
    code_lines: 120,
    lines: Lines::Lnotab,
    object_type: 8,
    type_name: 24,
    bytes_size: 16,
    bytes_data: 32,
    text_length: 16,
    text_state: 32,
    text_shift: 2,
    text_ascii: 48,
    text_other: 72,
};

const V3_9: Layout = Layout { interpreter_id: 24, ..V3_8 };

const V3_10: Layout =
    Layout { frames: Frames::Object { last: 96, unit: 2, line: 100, trace: None }, lines: Lines::Linetable, ..V3_9 };

const V3_11: Layout = Layout {
    interpreters: 40,
    interpreter_id: 48,
    interpreter_threads: 16,
    thread_pthread: 152,
    thread_native: Some(160),
    thread_frame: 56,
    thread_cframe: Some(8),
    frame_previous: 48,
    frames: Frames::Interpreter { instruction: 56, owner: 69, code: 184, first: 168, copies: None },
    code_file: 112,
    code_name: 120,
    code_qualname: Some(128),
    code_first_line: 72,
    code_lines: 136,
    lines: Lines::Locations,
    ..V3_8
};

const V3_12: Layout = Layout {
    interpreter_id: 8,
    interpreter_threads: 72,
    thread_pthread: 136,
    thread_native: Some(144),
    thread_cframe: Some(0),
    frame_previous: 8,
    frame_code: 0,
    frames: Frames::Interpreter { instruction: 56, owner: 70, code: 192, first: 176, copies: None },
    code_first_line: 68,
    text_ascii: 40,
    text_other: 56,
    ..V3_11
};

/// What `_PyRuntime` begins with from 3.13 on.
const COOKIE: &[u8; 8] = b"xdebugpy";

/// Where in `_Py_DebugOffsets` the offsets of each structure's members begin; it has grown with each version.
struct DebugOffsets {
    thread: u64,
    pthread: u64,
    frame: u64,
    code: u64,
    object: u64,
    bytes: u64,
    text: u64,
    /// `tlbc_index` and `co_tlbc`, which only free-threaded builds have.
    copies: Option<(u64, u64)>,
}

const OFFSETS_3_13: DebugOffsets =
    DebugOffsets { thread: 168, pthread: 192, frame: 232, code: 280, object: 360, bytes: 520, text: 544, copies: None };
const OFFSETS_3_14: DebugOffsets = DebugOffsets {
    thread: 192,
    pthread: 216,
    frame: 256,
    code: 320,
    object: 408,
    bytes: 600,
    text: 624,
    copies: Some((304, 392)),
};
const OFFSETS_3_15: DebugOffsets = DebugOffsets {
    thread: 192,
    pthread: 240,
    frame: 320,
    code: 384,
    object: 472,
    bytes: 696,
    text: 720,
    copies: Some((368, 456)),
};

/// Largest offset of a member that is believed, in bytes.
const MAX_OFFSET: u64 = 1 << 24;

impl Layout {
    /// The layout of a version, as in PY_VERSION_HEX, whose `_PyRuntime` is at `runtime`.
    pub fn of(memory: &mut dyn ReadMemory, runtime: u64, version: u64) -> Result<Self, Problem> {
        let (major, minor) = ((version >> 24) as u8, (version >> 16) as u8);
        // Only release candidates (0xc) and releases (0xf): alpha and beta versions may have other structures.
        let is_final = (version >> 4 & 15) >= 12 || minor <= 10;
        match (major, minor) {
            (3, 8) => Ok(V3_8),
            (3, 9) => Ok(V3_9),
            (3, 10) => Ok(V3_10),
            (3, 11) if is_final => Ok(V3_11),
            (3, 12) if is_final => Ok(V3_12),
            (3, 13) if is_final => Self::read(memory, runtime, version, &OFFSETS_3_13),
            (3, 14) if is_final => Self::read(memory, runtime, version, &OFFSETS_3_14),
            (3, 15) if is_final => Self::read(memory, runtime, version, &OFFSETS_3_15),
            _ => Err(Problem::Version(major, minor)),
        }
    }

    /// Reads a layout out of the `_Py_DebugOffsets` at the head of `_PyRuntime`.
    fn read(memory: &mut dyn ReadMemory, runtime: u64, version: u64, places: &DebugOffsets) -> Result<Self, Problem> {
        let mut head = [0; 24];
        let is_there = memory.read_exact(runtime, &mut head) && head.starts_with(COOKIE);
        let mut told = |at: u64| memory.u64_at(runtime.wrapping_add(at)).filter(|&offset| offset < MAX_OFFSET);
        let mut layout = || {
            let is_free_threaded = told(16)? != 0;
            let copies = places.copies.filter(|_| is_free_threaded);
            let copies = match copies {
                Some((index, list)) => Some((told(index)?, told(list)?)),
                None => None,
            };
            let code = told(places.code + 64)?;
            let ascii = told(places.text + 16)?;
            Some(Self {
                interpreters: told(40)?,
                interpreter_id: told(56)?,
                interpreter_next: told(64)?,
                interpreter_threads: told(72)?,
                thread_next: told(places.thread)?,
                thread_interpreter: told(places.thread + 8)?,
                thread_frame: told(places.thread + 16)?,
                thread_pthread: told(places.pthread)?,
                thread_native: Some(told(places.pthread + 8)?),
                thread_cframe: None,
                frame_previous: told(places.frame)?,
                frame_code: told(places.frame + 8)?,
                frames: Frames::Interpreter {
                    instruction: told(places.frame + 16)?,
                    owner: told(places.frame + 32)?,
                    code,
                    // `_co_firsttraceable` is not among the offsets: it lies in front of `co_tlbc`, `co_extra` and the code.
                    first: code.checked_sub(if copies.is_some() { 24 } else { 16 })?,
                    copies,
                },
                code_file: told(places.code)?,
                code_name: told(places.code + 8)?,
                code_qualname: Some(told(places.code + 16)?),
                code_lines: told(places.code + 24)?,
                code_first_line: told(places.code + 32)?,
                lines: Lines::Locations,
                object_type: told(places.object)?,
                type_name: told(places.object + 16)?,
                bytes_size: told(places.bytes)?,
                bytes_data: told(places.bytes + 8)?,
                text_state: told(places.text)?,
                text_length: told(places.text + 8)?,
                // In a free-threaded build from 3.14 on, `interned` is a whole byte in front of `kind`; else it has two bits.
                text_shift: if copies.is_some() { 8 } else { 2 },
                text_ascii: ascii,
                text_other: ascii + 16,
            })
        };
        let layout = layout().filter(|_| is_there);
        let is_told = memory.u64_at(runtime.wrapping_add(8)) == Some(version);
        layout.filter(|_| is_told).ok_or(Problem::Damaged)
    }
}
