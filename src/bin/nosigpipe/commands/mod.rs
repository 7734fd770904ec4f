//! The commands: a file each, with its part of the command line (`command`) and what it does (`run`).

pub mod run;
pub mod status;
