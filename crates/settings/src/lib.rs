//! What is decided before a program starts, and what a running process shows of it.
//!
//! Knows nobody, and needs nothing but `core`: the library reads its settings with it before `main`, and the launcher
//! makes its flags, its help and its man page of it.

#![no_std]

pub mod layout;
pub mod options;
