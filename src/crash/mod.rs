//! From a signal to the end of the process: the crash report.
