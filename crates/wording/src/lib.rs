//! The words for signals and crashes, and lines to put them in.
//!
//! Needs `core` and libc's constants alone: the first lines of a crash report are written in the crashed process, where nothing
//! can be allocated. The whole report and the launcher use the same words.

#![no_std]

pub mod head;
pub mod line;
pub mod words;
