//! macOS, arm64 and x86_64.
