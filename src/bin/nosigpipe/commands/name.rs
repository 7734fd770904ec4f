//! Names of files on the command line.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};

const EMPTY: &str = "the name is empty";

/// Takes the name of a file. An empty one, as of a variable that is not set, would be an empty place in a message.
pub fn file() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|name| if name.is_empty() { Err(EMPTY) } else { Ok(name) })
}

/// The same for names that have to be UTF-8.
pub fn text() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().try_map(|name| if name.is_empty() { Err(EMPTY) } else { Ok(name) })
}
