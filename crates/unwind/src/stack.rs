//! A stack as a list of frames, whichever unwinder has found them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Of a longer stack, how many of the innermost frames are kept.
const INNER: usize = 48;
/// Of a longer stack, how many of the outermost frames are kept.
const OUTER: usize = 24;

/// How far a frame can be trusted (Breakpad's term, which tells more kinds apart).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FrameTrust {
    /// It is where a thread was interrupted, or was found by call frame information or by a frame pointer.
    Reliable,
    /// It was found by a search of the stack for return addresses, and may be no frame at all.
    Scan,
}

/// One frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The address of the next instruction.
    pub pc: u64,
    /// Whether the thread was interrupted at `pc`; otherwise that is a return address.
    pub interrupted: bool,
    /// Where a signal handler returns to the kernel: the signal, its `si_code` and its `si_addr`. `None` for a
    /// function's frame.
    pub signal: Option<(i32, i32, u64)>,
    /// How far it can be trusted.
    pub trust: FrameTrust,
}

impl Frame {
    /// Where a thread was interrupted.
    pub fn interrupted(pc: u64) -> Self {
        Self { interrupted: true, ..Self::caller(pc) }
    }

    /// Where a function returns to, by information that can be relied on.
    pub fn caller(pc: u64) -> Self {
        Self { pc, interrupted: false, signal: None, trust: FrameTrust::Reliable }
    }
}

/// A stack; the middle of a very long one is only counted.
#[derive(Clone, Default, PartialEq)]
pub struct Stack {
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// How many were left out, and the index in `frames` of the first one behind them.
    pub omitted: Option<(u64, u64)>,
    /// Whether there was no time to follow it to its end.
    pub cut: bool,
}

impl Stack {
    /// Whether the thread was interrupted at `pc` in one of these frames.
    pub fn has_interrupted(&self, pc: u64) -> bool {
        self.frames.iter().any(|frame| frame.interrupted && frame.pc == pc)
    }

    /// What `expand` makes of each frame: one entry, or more where functions were inlined into it; and [`omitted`](Self::omitted) in
    /// terms of these entries.
    pub fn expand<T>(&self, expand: impl Fn(&Frame) -> Vec<T>) -> (Vec<T>, Option<(u64, u64)>) {
        let mut entries = Vec::new();
        let mut omitted = None;
        for (index, frame) in self.frames.iter().enumerate() {
            if let Some((count, _)) = self.omitted.filter(|&(_, before)| before == index as u64) {
                omitted = Some((count, entries.len() as u64));
            }
            entries.extend(expand(frame));
        }
        (entries, omitted)
    }

    /// The frames from `first` on, until `is_late`. `step` returns a frame's caller, and may change the frame itself.
    pub fn walk(first: Frame, is_late: impl Fn() -> bool, mut step: impl FnMut(&mut Frame) -> Option<Frame>) -> Self {
        let mut inner = Vec::new();
        let mut outer = VecDeque::new();
        let mut count = 0u64;
        let mut frame = first;
        let mut cut = false;
        loop {
            if inner.len() < INNER {
                inner.push(frame);
            } else {
                outer.push_back(frame);
                if outer.len() > OUTER {
                    outer.pop_front();
                }
            }
            count += 1;
            if count.is_multiple_of(256) && is_late() {
                cut = true;
                break;
            }
            let next = step(&mut frame);
            // The step may have noted in the frame that it is where a signal handler returns to.
            if let Some(last) = outer.back_mut().or(inner.last_mut()) {
                *last = frame;
            }
            match next {
                Some(next) => frame = next,
                None => break,
            }
        }
        let left_out = count - (inner.len() + outer.len()) as u64;
        let omitted = (left_out > 0).then_some((left_out, INNER as u64));
        inner.extend(outer);
        Self { frames: inner, omitted, cut }
    }
}
