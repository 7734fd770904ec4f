//! A report for programs: one JSON object.

use alloc::string::String;
use core::fmt::Write;

use super::{Context, Exception, Frame, Module, Python, Report, SCHEMA, Variable};
use crate::source::Source;
use wording::line::is_harmless;
use wording::words;

/// The whole report, with a newline at its end.
#[must_use]
pub fn whole(report: &Report) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.number("nosigpipe_crash_report", SCHEMA);
        // These three come first: the next report of the same program looks for them and reads only the start of this one.
        if !report.fingerprint.is_empty() {
            json.text("fingerprint", &report.fingerprint);
        }
        if let Some((count, first)) = &report.occurrence {
            json.number("occurrence", *count);
            json.text("first_occurrence", first);
        }
        json.text("program", &report.program);
        json.text("executable", &report.executable);
        json.text("command", &report.command);
        json.signed("pid", report.pid);
        json.text("time", &report.time);
        json.number("uptime_ms", report.uptime);
        json.key("signal");
        json.object(|json| {
            let (name, meaning) = words::signal(report.signal as i32);
            let (code, reason) = words::code(report.signal as i32, report.code as i32);
            json.signed("number", report.signal);
            json.text("name", name);
            json.text("meaning", meaning);
            json.signed("code", report.code);
            json.text("code_name", code);
            json.text("code_meaning", reason);
            if let Some(address) = report.address {
                json.address("address", address);
                json.text("access", &report.access);
            }
            if !report.cause.is_empty() {
                json.text("cause", &report.cause);
            }
            json.text("address_description", &report.address_description);
            if let Some((signal, code)) = report.raised {
                json.key("raised_by_handler");
                json.object(|json| {
                    json.signed("number", signal);
                    json.text("name", words::signal(signal as i32).0);
                    json.signed("code", code);
                    json.text("code_name", words::code(signal as i32, code as i32).0);
                });
            }
            if let Some((pid, uid)) = report.sender {
                json.signed("sender_pid", pid);
                json.signed("sender_uid", uid);
            }
            if let Some(call) = report.call {
                json.signed("system_call", call);
            }
        });
        json.text("message", &report.message);
        if let Some((exception, nested)) = report.exceptions.split_first() {
            json.key("exception");
            json.object(|json| {
                exception_members(json, exception);
                json.flag("handled", report.is_handled);
                if let Some(frame) = report.thrower().filter(|_| !exception.is_rethrown) {
                    json.text("thrown_in", &frame.function);
                }
                json.key("nested");
                json.array(nested, |json, exception| json.object(|json| exception_members(json, exception)));
            });
        }
        json.key("crashed_thread");
        json.object(|json| {
            json.signed("tid", report.tid);
            json.text("name", &report.thread);
            frames(json, &report.frames, report.omitted, report.cut);
            if !report.names_note.is_empty() {
                json.text("names_note", &report.names_note);
            }
            python(json, &report.python);
            json.key("registers");
            json.object(|json| {
                for (name, value) in &report.registers {
                    json.address(name, *value);
                }
            });
            json.address("instructions_at", report.instructions.0);
            let bytes = report.instructions.1.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            json.text("instructions", &bytes);
        });
        sources(json, &report.sources);
        json.key("other_threads");
        json.array(&report.threads, |json, group| {
            json.object(|json| {
                json.key("threads");
                json.array(&group.threads, |json, (tid, name)| {
                    json.object(|json| {
                        json.signed("tid", *tid);
                        json.text("name", name);
                    });
                });
                frames(json, &group.frames, group.omitted, group.cut);
                python(json, &group.python);
            });
        });
        json.text("other_threads_note", &report.threads_note);
        if !report.python_note.is_empty() {
            json.text("python_note", &report.python_note);
        }
        modules(json, &report.modules);
        json.text("modules_note", &report.modules_note);
        context(json, &report.context);
        json.text("summary", &report.summary());
    });
    json.out.push('\n');
    json.out
}

fn sources(json: &mut Json, sources: &[Source]) {
    if sources.is_empty() {
        return;
    }
    json.key("source");
    json.array(sources, |json, source| {
        json.object(|json| {
            json.text("file", &source.file);
            json.number("line", source.line);
            json.number("first_line", source.first);
            json.key("lines");
            json.array(&source.lines, |json, line| json.string(line));
            json.flag("changed", source.is_changed);
        });
    });
}

pub(crate) fn modules(json: &mut Json, modules: &[Module]) {
    json.key("modules");
    json.array(modules, |json, module| {
        json.object(|json| {
            json.text("path", &module.path);
            json.text("build_id", &module.build_id);
            json.address("start", module.start);
            json.address("end", module.end);
            json.address("bias", module.bias);
        });
    });
}

fn context(json: &mut Json, context: &Context) {
    if context.kernel.is_empty() {
        return;
    }
    json.key("context");
    json.object(|json| {
        json.text("directory", &context.directory);
        json.text("kernel", &context.kernel);
        json.text("libc", &context.libc);
        json.number("system_uptime_s", context.system_uptime);
        json.number("threads", context.threads);
        json.number("descriptors", context.descriptors);
        json.key("limits");
        json.array(&context.limits, |json, (name, used, limit)| {
            json.object(|json| {
                json.text("name", name);
                json.number("used", *used);
                json.number("limit", *limit);
            });
        });
        if let Some(memory) = &context.memory {
            json.key("memory");
            json.object(|json| {
                json.number("cgroup_version", memory.version);
                json.number("used", memory.used);
                if let Some(limit) = memory.limit {
                    json.number("limit", limit);
                }
                if let Some(kills) = memory.kills {
                    json.number("kills", kills);
                }
            });
        }
        json.key("environment");
        json.object(|json| {
            for (name, value) in &context.environment {
                json.text(name, value);
            }
        });
    });
}

fn exception_members(json: &mut Json, exception: &Exception) {
    json.text("type", &exception.kind);
    json.text("what", &exception.what);
    if let Some((number, category)) = &exception.code {
        json.signed("code", *number);
        json.text("category", category);
    }
    json.flag("rethrown", exception.is_rethrown);
}

pub(crate) fn frames(json: &mut Json, frames: &[Frame], omitted: Option<(u64, u64)>, cut: bool) {
    json.key("frames");
    json.array(frames, |json, frame| {
        json.object(|json| {
            json.address("address", frame.address);
            if let Some(module) = frame.module {
                json.number("module", module);
                json.address("offset", frame.offset);
            }
            if !frame.function.is_empty() {
                json.text("function", &frame.function);
            }
            if let Some(offset) = frame.function_offset {
                json.number("function_offset", offset);
            }
            if !frame.file.is_empty() {
                json.text("file", &frame.file);
                json.number("line", frame.line);
            }
            json.flag("inlined", frame.inlined);
            json.flag("interrupted", frame.interrupted);
            if !frame.note.is_empty() {
                json.text("note", &frame.note);
            }
            if !frame.found_by.is_empty() {
                json.text("found_by", &frame.found_by);
            }
            variables(json, "arguments", &frame.arguments);
            variables(json, "locals", &frame.locals);
        });
    });
    gaps(json, omitted, cut);
}

fn gaps(json: &mut Json, omitted: Option<(u64, u64)>, cut: bool) {
    if let Some((count, before)) = omitted {
        json.number("omitted_frames", count);
        json.number("omitted_before", before);
    }
    json.flag("incomplete", cut);
}

pub(crate) fn python(json: &mut Json, stack: &Python) {
    if stack.frames.is_empty() && !stack.cut {
        return;
    }
    json.key("python");
    json.object(|json| {
        json.key("frames");
        json.array(&stack.frames, |json, frame| {
            json.object(|json| {
                if !frame.function.is_empty() {
                    json.text("function", &frame.function);
                }
                if !frame.file.is_empty() {
                    json.text("file", &frame.file);
                    json.number("line", frame.line);
                }
                if frame.interpreter != 0 {
                    json.number("interpreter", frame.interpreter);
                }
            });
        });
        gaps(json, stack.omitted, stack.cut);
    });
}

fn variables(json: &mut Json, key: &str, variables: &[Variable]) {
    if variables.is_empty() {
        return;
    }
    json.key(key);
    json.array(variables, |json, variable| {
        json.object(|json| {
            json.text("name", &variable.name);
            json.text("value", &variable.value);
        });
    });
}

/// Writes JSON (RFC 8259) piece by piece.
#[derive(Default)]
pub(crate) struct Json {
    /// What has been written.
    pub(crate) out: String,
    /// Whether a comma belongs before the next key or element.
    comma: bool,
}

impl Json {
    pub(crate) fn object(&mut self, body: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push('{');
        self.comma = false;
        body(self);
        self.out.push('}');
        self.comma = true;
    }

    pub(crate) fn array<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.separate();
        self.out.push('[');
        self.comma = false;
        for item in items {
            each(self, item);
        }
        self.out.push(']');
        self.comma = true;
    }

    fn separate(&mut self) {
        if core::mem::replace(&mut self.comma, true) {
            self.out.push(',');
        }
    }

    pub(crate) fn key(&mut self, key: &str) {
        self.separate();
        let _ = write!(self.out, "\"{key}\":");
        self.comma = false;
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self.comma = true;
    }

    pub(crate) fn signed(&mut self, key: &str, value: i64) {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self.comma = true;
    }

    /// A number in an array.
    pub(crate) fn integer(&mut self, value: i64) {
        self.separate();
        let _ = write!(self.out, "{value}");
    }

    /// A member that is left out when it is false.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.key(key);
            self.out.push_str("true");
            self.comma = true;
        }
    }

    /// Addresses are strings: JSON's numbers have 53 bits in many readers.
    pub(crate) fn address(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.out, "\"{value:#x}\"");
        self.comma = true;
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    /// A text in an array, or the value of a key.
    fn string(&mut self, value: &str) {
        self.separate();
        self.out.push('"');
        for character in value.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                other if is_harmless(other) => self.out.push(other),
                // A terminal that shows this file would obey it; whoever parses the file gets the character as it was.
                harmful => {
                    for unit in harmful.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.out.push('"');
    }
}
