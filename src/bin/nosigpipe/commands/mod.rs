//! The commands: a file each, with its part of the command line (`command`) and what it does (`run`). `metrics`,
//! `handlers` and `tree` are parts of `status`, `annotation`, `debuginfod` and `source` are parts of `report`; `debug_dir`,
//! `name`, `number` and `wrong` are for all.

pub mod annotation;
pub mod attempt;
pub mod check;
pub mod completions;
pub mod debug_dir;
pub mod debuginfod;
pub mod demo;
pub mod doctor;
pub mod env;
pub mod handlers;
pub mod man;
pub mod metrics;
pub mod name;
pub mod number;
pub mod report;
pub mod run;
pub mod source;
pub mod stack;
pub mod status;
pub mod tree;
pub mod wrong;
