//! What a report says, whoever wrote it: nosigpipe in JSON, or gdb in its own way.

use serde_json::Value;

#[derive(Default, Debug)]
pub struct Report {
    pub pid: Option<i64>,
    pub signal: Option<i64>,
    pub code: Option<i64>,
    pub address: Option<u64>,
    pub sender: Option<i64>,
    /// The crashing thread first.
    pub threads: Vec<Thread>,
}

#[derive(Default, Debug)]
pub struct Thread {
    pub tids: Vec<i64>,
    pub names: Vec<String>,
    pub frames: Vec<Frame>,
}

#[derive(Default, Debug)]
pub struct Frame {
    /// Without parameters, template arguments and what surrounds it.
    pub function: String,
    /// The file's name without its directory, if it is one of the zoo's.
    pub file: String,
    pub line: u64,
    pub module: String,
    pub has_offset: bool,
    pub has_build_id: bool,
}

/// The JSON of every report in what a program wrote to stderr, where other things may be, too.
pub fn all_values(text: &str) -> Vec<Value> {
    let mut reports = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let mut values = serde_json::Deserializer::from_str(&rest[start..]).into_iter::<Value>();
        rest = match values.next() {
            Some(Ok(value)) if value.get("nosigpipe_crash_report").is_some() => {
                let end = start + values.byte_offset();
                reports.push(value);
                &rest[end..]
            }
            _ => &rest[start + 1..],
        };
    }
    reports
}

impl Report {
    /// All reports in what a program wrote to stderr, where other things may be, too.
    pub fn all_of_json(text: &str) -> Vec<Self> {
        all_values(text).iter().map(Self::of_json).collect()
    }

    fn of_json(value: &Value) -> Self {
        let modules = &value["modules"];
        let threads = [&value["crashed_thread"]].into_iter().chain(list(&value["other_threads"]));
        Self {
            pid: value["pid"].as_i64(),
            signal: value["signal"]["number"].as_i64(),
            code: value["signal"]["code"].as_i64(),
            address: number(&value["signal"]["address"]),
            sender: value["signal"]["sender_pid"].as_i64(),
            threads: threads.map(|thread| Thread::of_json(thread, modules)).collect(),
        }
    }

    /// `bt` of the thread that crashed, from both ends, then `thread apply all bt`.
    pub fn of_gdb(text: &str) -> Self {
        let mut report = Self { threads: vec![Thread::default()], ..Self::default() };
        let mut next = 0;
        for line in text.lines() {
            let number = || line.strip_prefix('#')?.split(' ').next()?.parse::<u32>().ok();
            if line.starts_with("Thread ") && line.ends_with("):") {
                let name = line.split('"').nth(1).unwrap_or_default();
                report.threads.push(Thread { names: vec![name.to_owned()], ..Thread::default() });
                next = 0;
            } else if let Some(number) = number().filter(|number| *number >= next) {
                next = number + 1;
                if let Some(thread) = report.threads.last_mut() {
                    thread.frames.push(Frame::of_gdb(line));
                }
            }
        }
        report
    }
}

impl Thread {
    /// One thread, or several whose stacks are equal.
    fn of_json(value: &Value, modules: &Value) -> Self {
        let all = || [value].into_iter().chain(list(&value["threads"]));
        Self {
            tids: all().filter_map(|thread| thread["tid"].as_i64()).collect(),
            names: all().filter_map(|thread| thread["name"].as_str()).map(str::to_owned).collect(),
            frames: list(&value["frames"]).map(|frame| Frame::of_json(frame, modules)).collect(),
        }
    }
}

impl Frame {
    fn of_json(value: &Value, modules: &Value) -> Self {
        let module = value["module"].as_u64().map_or(&Value::Null, |index| &modules[index as usize]);
        Self {
            function: plain(value["function"].as_str().unwrap_or_default()),
            file: of_the_zoo(value["file"].as_str().unwrap_or_default()),
            line: value["line"].as_u64().unwrap_or_default(),
            module: module["path"].as_str().unwrap_or_default().to_owned(),
            has_offset: number(&value["offset"]).is_some(),
            has_build_id: module["build_id"].as_str().is_some_and(|id| !id.is_empty()),
        }
    }

    /// `#1  0x000055 in function (arguments) at FILE:LINE`, the address missing where a line begins.
    fn of_gdb(line: &str) -> Self {
        let rest = line.split_once(' ').unwrap_or_default().1.trim_start();
        let rest = if rest.starts_with("0x") { rest.split_once(" in ").unwrap_or_default().1 } else { rest };
        let (function, _) = rest.split_once(" (").unwrap_or((rest, ""));
        let (file, line) = rest.rsplit_once(" at ").and_then(|(_, place)| place.rsplit_once(':')).unwrap_or_default();
        Self {
            function: plain(function),
            file: of_the_zoo(file),
            line: line.parse().unwrap_or_default(),
            ..Self::default()
        }
    }
}

fn of_the_zoo(path: &str) -> String {
    path.rsplit_once("tests/programs/zoo/").map_or("", |(_, name)| name).to_owned()
}

/// `inference::Cache<int>::at(int const&)` is `at`.
fn plain(function: &str) -> String {
    let mut depth = 0;
    let mut bare = String::new();
    // A pair of parentheses that is part of a name.
    for c in function.replace("operator()", "operator\u{1}").replace("(anonymous namespace)::", "").chars() {
        match c {
            '(' | '<' | '{' => depth += 1,
            ')' | '>' | '}' => depth -= 1,
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let name = bare.rsplit("::").next().unwrap_or_default();
    name.trim_end_matches(" const").rsplit(' ').next().unwrap_or_default().replace('\u{1}', "()")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A number, or one in hexadecimal in a string.
fn number(value: &Value) -> Option<u64> {
    let hexadecimal = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    value.as_u64().or_else(|| hexadecimal(value.as_str()?))
}
