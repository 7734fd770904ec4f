//! Numbers on the command line: what is wrong with one is said with what is allowed.

use std::fmt::Display;
use std::str::FromStr;

/// Takes numbers between these two, which are allowed themselves.
pub fn within<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Copy,
{
    move |text| {
        let number = text.parse().ok().filter(|number| *number >= least && *number <= most);
        number.ok_or_else(|| format!("it must be a number from {least} to {most}"))
    }
}
