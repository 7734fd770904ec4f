//! `report --annotate`: a crash as what GitHub shows beside the line of source in which it happened.

use std::env;
use std::path::Path;

use report::Report;

use crate::output;

/// The workflow command for a report, if this is a step of a GitHub workflow.
///
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
pub fn of(report: &Report, message: &str) -> Option<String> {
    env::var_os("GITHUB_ACTIONS").filter(|value| value == "true")?;
    let workspace = env::var("GITHUB_WORKSPACE").unwrap_or_default();
    let ours = |file: &str, line: u64| {
        let file = relative(file, &workspace)?;
        Path::new(&workspace).join(&file).exists().then_some((file, line))
    };
    let location = report.frames.iter().find_map(|frame| ours(&frame.file, frame.line)).or_else(|| {
        // A virtual environment below the workspace is no part of the repository.
        let is_installed = |file: &str| ["/site-packages/", "/dist-packages/"].iter().any(|part| file.contains(part));
        let mut written = report.python.frames.iter().filter(|frame| !is_installed(&frame.file));
        written.find_map(|frame| ours(&frame.file, frame.line))
    });
    let mut properties = String::new();
    if let Some((file, line)) = location {
        properties = format!("file={},line={line},", property(&file));
    }
    let title = property(&format!("{} crashed", report.program));
    Some(format!("::error {properties}title={title}::{}\n", data(message.trim_end())))
}

/// A file of the repository, from its root.
fn relative(file: &str, workspace: &str) -> Option<String> {
    if file.is_empty() {
        return None;
    }
    let whole = without_dots(file);
    match whole.strip_prefix(workspace.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) if !workspace.is_empty() => Some(rest.to_owned()),
        // Compilers are often given relative names.
        _ if !file.starts_with('/') => Some(whole),
        _ => None,
    }
}

/// A path without `.` and `..` in it, which compilers put there that are started in a directory for what is built: GitHub does not find
/// the file else. As text, since the machine where it was compiled may be another one.
fn without_dots(file: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." if kept.last().is_some_and(|last| !last.is_empty() && *last != "..") => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    kept.join("/")
}

/// Text that may not end the command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text that may not end a property either.
fn property(text: &str) -> String {
    data(&output::name(text)).replace(':', "%3A").replace(',', "%2C")
}
