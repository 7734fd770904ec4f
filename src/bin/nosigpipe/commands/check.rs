//! `check`: whether `run` would work, and how the calls of the program and of its libraries are covered.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use crate::commands::run::{library_flag, program_argument};
use crate::coverage::{self, Way};
use crate::exit::{Failure, OK};
use crate::platform::{self, Dependencies};
use crate::preflight::{self, Plan};
use crate::{library, output};

pub fn command() -> Command {
    Command::new("check")
        .about("Say whether run would work for a program, and how its calls are covered")
        .long_about(
            "Say whether run would start PROGRAM, without starting it, and list the calls that it and the libraries \
             that it is linked with import, with how each is covered. What it loads later by dlopen can't be seen.",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"))
        .arg(library_flag())
        .arg(program_argument().help("The program, and arguments if the verdict depends on them"))
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let words: Vec<OsString> = matches.get_many("program").unwrap_or_default().cloned().collect();
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::refused("no program given"))?;
    let library = matches.get_one::<OsString>("library").map(OsString::as_os_str);
    match verdict(program, arguments, library) {
        Ok(report) => {
            if matches.get_flag("json") {
                output::write_json(&report.as_json())
            } else {
                output::write_lines(&report.as_text())
            }?;
            Ok(OK)
        }
        Err(failure) if matches.get_flag("json") => {
            let refusal = json!({
                "program": output::name(program),
                "verdict": "refused",
                "reason": failure.message,
                "exit_code": failure.code,
            });
            output::write_json(&format!("{refusal:#}\n"))?;
            Ok(failure.code)
        }
        Err(failure) => Err(failure),
    }
}

struct Report {
    program: String,
    chain: Vec<String>,
    remarks: Vec<String>,
    library: String,
    /// What it is linked with; `None` when its file can't be read.
    dependencies: Option<Dependencies>,
    /// Functions with their ways, and the files that import them.
    calls: BTreeMap<String, (&'static Way, Vec<String>)>,
}

fn verdict(program: &OsStr, arguments: &[OsString], library: Option<&OsStr>) -> Result<Report, Failure> {
    let plan = preflight::examine(program, arguments)?;
    let library = library::find(library)?.path;
    plan.fits(&library)?;
    let Plan { chain, image, remarks, .. } = plan;
    let hooks = platform::hooks(&library)
        .map_err(|problem| Failure::refused(format!("{}: {problem}", output::path(&library))))?;
    let dependencies = chain.last().zip(image).map(|(file, image)| platform::dependencies(file, image));

    let mut calls: BTreeMap<String, (&'static Way, Vec<String>)> = BTreeMap::new();
    for object in dependencies.iter().flat_map(|found| &found.objects) {
        for function in &object.image.imports {
            let Some(way) = coverage::of(function, &hooks) else { continue };
            let importer = object.path.file_name().map(output::name).unwrap_or_default();
            let (_, importers) = calls.entry(function.clone()).or_insert((way, Vec::new()));
            if !importers.contains(&importer) {
                importers.push(importer);
            }
        }
    }
    Ok(Report {
        program: output::name(program),
        chain: chain.iter().map(|file| output::path(file)).collect(),
        remarks,
        library: output::path(&library),
        dependencies,
        calls,
    })
}

impl Report {
    fn as_json(&self) -> String {
        let files = |found: &Dependencies| -> Vec<_> {
            found.objects.iter().skip(1).map(|object| output::path(&object.path)).collect()
        };
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(
                |(function, (way, importers))| json!({ "call": function, "covered": way.id, "imported_by": importers }),
            )
            .collect();
        let report = json!({
            "program": self.program,
            "verdict": "works",
            "exit_code": OK,
            "chain": self.chain,
            "remarks": self.remarks,
            "library": self.library,
            "libraries": self.dependencies.as_ref().map(files),
            "missing": self.dependencies.as_ref().map(|found| &found.missing),
            "calls": calls,
        });
        format!("{report:#}\n")
    }

    fn as_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<9} {value}");
        };
        line("program", &self.chain.join(", run by "));
        line("verdict", "nosigpipe run would start it with the library in it");
        for remark in &self.remarks {
            line("note", &format!("this is {remark}"));
        }
        line("library", &self.library);
        match &self.dependencies {
            Some(found) => {
                let count = found.objects.len().saturating_sub(1);
                line("linked", &format!("with {count} libraries; what is loaded later by dlopen can't be seen"));
                for missing in &found.missing {
                    line("missing", &format!("{}, so that the program would not start", output::name(missing)));
                }
            }
            None => line("linked", "with unknown libraries: its file can't be read, or is another system's"),
        }
        for way in coverage::ways() {
            let mut calls = self.calls.iter().filter(|(_, (its, _))| its.id == way.id).peekable();
            if calls.peek().is_some() {
                let _ = writeln!(text, "\n{}:", way.explanation);
            }
            for (function, (_, importers)) in calls {
                let _ = writeln!(text, "  {function:<16} {}", shortened(importers));
            }
        }
        text
    }
}

fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}
