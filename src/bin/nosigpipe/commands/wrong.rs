//! What is wrong with a word of the command line, where a sentence of our own says it better than clap's.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// The whole message: nothing of clap's is put around it.
#[derive(Debug)]
pub struct Wrong(pub String);

impl Display for Wrong {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl Error for Wrong {}
