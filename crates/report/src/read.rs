//! Reads a report that was written as JSON.
//!
//! It may come from anybody and be damaged: what is missing or of another kind is as if it were empty.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{
    Context, Exception, Frame, Group, GroupMemory, Module, Python, PythonFrame, Report, SCHEMA, Variable,
    source::Source,
};
use wording::words;

/// The first member of a report, by which it is found.
const MARK: &str = "\"nosigpipe_crash_report\"";

/// Reads the first report in a text. What stands around it, such as other lines of a log, is left out. The error is a sentence.
pub fn parse(content: &str) -> Result<Report, String> {
    all(content).next().unwrap_or_else(|| Err(none_in(content).into()))
}

/// Reads every report in a text, in their order. The error is a sentence about one of them; the next may be whole.
pub fn all(content: &str) -> impl Iterator<Item = Result<Report, String>> {
    let mut rest = content;
    core::iter::from_fn(move || {
        let (report, behind) = next(rest)?;
        rest = behind;
        Some(report)
    })
}

/// Why there is no report in a text, as a sentence.
#[must_use]
pub fn none_in(content: &str) -> &'static str {
    let is_head = |line: &str| {
        line.split_once("nosigpipe: ").is_some_and(|(_, head)| head.contains(" (pid ") && head.contains(" crashed: "))
    };
    if content.lines().any(is_head) {
        "this is a report as text, to be read as it is; JSON is needed here (NOSIGPIPE_FORMAT=json)"
    } else {
        "there is no nosigpipe crash report in it"
    }
}

/// The first report in a text, and what follows it.
fn next(content: &str) -> Option<(Result<Report, String>, &str)> {
    // There may be white space between brace, name and colon.
    let (start, behind) = content.match_indices(MARK).find_map(|(at, mark)| {
        let before = content.get(..at)?.trim_end().strip_suffix('{')?;
        let behind = content.get(at + mark.len()..)?;
        behind.trim_start().starts_with(':').then_some((before.len(), behind))
    })?;
    let content = content.get(start..)?;
    let mut values = serde_json::Deserializer::from_str(content).into_iter::<Value>();
    match values.next()? {
        Ok(value) => Some((versioned(&value), content.get(values.byte_offset()..)?)),
        Err(problem) => Some((Err(format!("the report is damaged: {problem}")), behind)),
    }
}

fn versioned(value: &Value) -> Result<Report, String> {
    match value.get("nosigpipe_crash_report").and_then(Value::as_u64) {
        Some(SCHEMA) => Ok(report(value)),
        Some(version) => Err(format!("the report has version {version}; this nosigpipe knows version {SCHEMA}")),
        None => Err("the report has no version".into()),
    }
}

fn report(value: &Value) -> Report {
    let (signal, thread) = (&value["signal"], &value["crashed_thread"]);
    let raised = &signal["raised_by_handler"];
    let thrown = &value["exception"];
    let sender = signal["sender_pid"].as_i64().zip(signal["sender_uid"].as_i64());
    let registers = thread["registers"].as_object().into_iter().flatten();
    let instructions = string(&thread["instructions"]);
    let bytes = (0..instructions.len() / 2)
        .filter_map(|index| u8::from_str_radix(instructions.get(index * 2..index * 2 + 2)?, 16).ok());
    Report {
        program: string(&value["program"]),
        executable: string(&value["executable"]),
        command: string(&value["command"]),
        pid: number(&value["pid"]),
        tid: number(&thread["tid"]),
        thread: string(&thread["name"]),
        time: string(&value["time"]),
        uptime: count(&value["uptime_ms"]),
        // Systems number some signals differently. Those without a name have the same word for one, as 0 has.
        signal: (1..64)
            .find(|&number| {
                let name = words::signal(number).0;
                name != words::signal(0).0 && Some(name) == signal["name"].as_str()
            })
            .map_or(number(&signal["number"]), i64::from),
        code: number(&signal["code"]),
        address: signal["address"].as_str().and_then(hexadecimal),
        access: string(&signal["access"]),
        cause: string(&signal["cause"]),
        address_description: string(&signal["address_description"]),
        raised: raised["number"].as_i64().zip(raised["code"].as_i64()),
        sender,
        call: signal["system_call"].as_i64(),
        message: string(&value["message"]),
        exceptions: core::iter::once(thrown).chain(list(&thrown["nested"])).filter_map(exception).collect(),
        is_handled: flag(&thrown["handled"]),
        fingerprint: string(&value["fingerprint"]),
        occurrence: value["occurrence"].as_u64().map(|count| (count, string(&value["first_occurrence"]))),
        registers: registers.map(|(name, value)| (name.clone(), address(value))).collect(),
        instructions: (address(&thread["instructions_at"]), bytes.collect()),
        frames: frames(thread),
        omitted: omitted(thread),
        cut: flag(&thread["incomplete"]),
        names_note: string(&thread["names_note"]),
        python: python(&thread["python"]),
        python_note: string(&value["python_note"]),
        sources: list(&value["source"]).map(lines).collect(),
        threads: list(&value["other_threads"]).map(group).collect(),
        threads_note: string(&value["other_threads_note"]),
        modules: list(&value["modules"]).map(module).collect(),
        context: context(&value["context"]),
        modules_note: string(&value["modules_note"]),
    }
}

fn lines(value: &Value) -> Source {
    Source {
        file: string(&value["file"]),
        line: count(&value["line"]),
        first: count(&value["first_line"]),
        lines: list(&value["lines"]).map(string).collect(),
        is_changed: flag(&value["changed"]),
    }
}

fn context(value: &Value) -> Context {
    let memory = &value["memory"];
    Context {
        directory: string(&value["directory"]),
        kernel: string(&value["kernel"]),
        libc: string(&value["libc"]),
        system_uptime: count(&value["system_uptime_s"]),
        threads: count(&value["threads"]),
        descriptors: count(&value["descriptors"]),
        limits: list(&value["limits"])
            .map(|limit| (string(&limit["name"]), count(&limit["used"]), count(&limit["limit"])))
            .collect(),
        memory: memory.is_object().then(|| GroupMemory {
            version: count(&memory["cgroup_version"]),
            used: count(&memory["used"]),
            limit: memory["limit"].as_u64(),
            kills: memory["kills"].as_u64(),
        }),
        environment: value["environment"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), string(value)))
            .collect(),
    }
}

fn exception(value: &Value) -> Option<Exception> {
    value.is_object().then(|| Exception {
        kind: string(&value["type"]),
        what: string(&value["what"]),
        code: value["code"].as_i64().map(|number| (number, string(&value["category"]))),
        is_rethrown: flag(&value["rethrown"]),
    })
}

fn group(value: &Value) -> Group {
    let threads = list(&value["threads"]).map(|thread| (number(&thread["tid"]), string(&thread["name"])));
    Group {
        threads: threads.collect(),
        frames: frames(value),
        omitted: omitted(value),
        cut: flag(&value["incomplete"]),
        python: python(&value["python"]),
    }
}

fn python(value: &Value) -> Python {
    let frame = |frame: &Value| PythonFrame {
        function: string(&frame["function"]),
        file: string(&frame["file"]),
        line: count(&frame["line"]),
        interpreter: count(&frame["interpreter"]),
    };
    Python {
        frames: list(&value["frames"]).map(frame).collect(),
        omitted: omitted(value),
        cut: flag(&value["incomplete"]),
    }
}

fn frames(value: &Value) -> Vec<Frame> {
    let frame = |frame: &Value| Frame {
        address: address(&frame["address"]),
        module: frame["module"].as_u64(),
        offset: address(&frame["offset"]),
        function: string(&frame["function"]),
        function_offset: frame["function_offset"].as_u64(),
        file: string(&frame["file"]),
        line: count(&frame["line"]),
        inlined: flag(&frame["inlined"]),
        interrupted: flag(&frame["interrupted"]),
        note: string(&frame["note"]),
        found_by: string(&frame["found_by"]),
        arguments: list(&frame["arguments"]).map(variable).collect(),
        locals: list(&frame["locals"]).map(variable).collect(),
    };
    list(&value["frames"]).map(frame).collect()
}

fn variable(value: &Value) -> Variable {
    Variable { name: string(&value["name"]), value: string(&value["value"]) }
}

fn module(value: &Value) -> Module {
    Module {
        path: string(&value["path"]),
        build_id: string(&value["build_id"]),
        start: address(&value["start"]),
        end: address(&value["end"]),
        bias: address(&value["bias"]),
    }
}

fn omitted(value: &Value) -> Option<(u64, u64)> {
    value["omitted_frames"].as_u64().zip(value["omitted_before"].as_u64())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn address(value: &Value) -> u64 {
    value.as_str().and_then(hexadecimal).unwrap_or(0)
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
