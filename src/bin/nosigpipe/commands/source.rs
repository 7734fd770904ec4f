//! A part of `report`: the source lines around the program's own frame, where the report has none and the file is on
//! this machine.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use report::source::{MAX_FILE, Picker, Source, is_source};
use report::{Frame, Report};

/// The lines around the first frame that is the program's own, where its source file is there.
pub fn around(report: &Report, map_file: fn(&str) -> Option<&'static [u8]>) -> Option<Source> {
    let frame = report.culprit()?;
    let path = Path::new(&frame.file);
    // The report may come from somebody who wants us to print other files of this machine. So the path must have the
    // name of a source file, and so must the file that symbolic links lead to.
    let target = fs::canonicalize(path).ok()?;
    if !is_source(&frame.file, "") || !is_source(target.to_str()?, "") {
        return None;
    }
    let content = map_file(&frame.file).filter(|content| content.len() <= MAX_FILE)?;
    let mut picker = Picker::new(frame.line);
    picker.take(content);
    picker.finish(&frame.file, is_newer(path, report, frame))
}

/// Whether the source file has been changed since the program was built, by the times of both files.
fn is_newer(source: &Path, report: &Report, frame: &Frame) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let module = frame.module.and_then(|index| report.modules.get(usize::try_from(index).ok()?));
    let made: Option<SystemTime> = module.and_then(|module| changed(Path::new(&module.path)));
    made.is_some_and(|made| changed(source).is_some_and(|changed| changed > made))
}
