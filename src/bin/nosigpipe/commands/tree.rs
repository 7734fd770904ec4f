//! `status --tree`: which processes below one have the library in force, which not, and why.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::status::{stage_word, why_not_in_force};
use crate::exit::{Failure, NO_PROCESS, NOT_ACTING, OK};
use crate::output;
use crate::platform::{process, why_not_loaded, why_not_loaded_below};
use settings::layout::Stage;
use settings::options::Scope;

/// Processes that are looked into at most, so that a tree that somebody has let grow does not keep us for ever.
const MOST: usize = 10_000;
/// Generations by which a line is indented at most; deeper processes have the number of their generation in front.
const INDENTED: usize = 20;
/// How long all of it may take. This is checked between two processes, so the last one may take longer; another user
/// may have made a process so that looking into it takes long.
const TIME: Duration = Duration::from_secs(20);

/// A process of the tree.
struct Node {
    pid: u32,
    /// Generations below the process that was asked for.
    depth: usize,
    parent: u32,
    name: String,
    /// Where the library stands in it, if it is loaded.
    stage: Option<&'static str>,
    scope: Option<&'static str>,
    /// Why the library is not in force, if that is known.
    reason: Option<String>,
    /// Whether the library is in force.
    covered: bool,
}

/// What was found, and how much of it was left out.
struct Tree {
    /// The processes, in the order in which they are shown.
    nodes: Vec<Node>,
    /// Processes that were not looked into.
    left_out: usize,
}

/// The text or JSON about a process and all below it, and the exit code: `OK` when all are covered.
///
/// # Errors
/// When there is no such process.
pub fn show(root: u32, as_json: bool) -> Result<(String, u8), Failure> {
    let tree = look(root)?;
    let all = tree.left_out == 0 && tree.nodes.iter().all(|node| node.covered);
    let text = if as_json { format!("{:#}\n", tree.json(root)) } else { tree.text() };
    Ok((text, if all { OK } else { NOT_ACTING }))
}

/// Looks into a process and all below it, in the order in which they are shown: each process before its children, and
/// children by pid. All parents are read once, before, so that a process that keeps forking can't keep us here. Since
/// pids may be used again meanwhile, one may appear twice or above itself; it is shown once.
fn look(root: u32) -> Result<Tree, Failure> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in process::all() {
        if let Some(parent) = process::parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    if process::parent_of(root).is_none() {
        return Err(Failure::new(NO_PROCESS, format!("no process {root}")));
    }
    let deadline = Instant::now() + TIME;
    let (mut nodes, mut left_out, mut seen) = (Vec::new(), 0, HashSet::new());
    // For each pid the nearest process that has the library, from itself upwards: its pid and name.
    let mut nearest: HashMap<u32, Option<(u32, String)>> = HashMap::new();
    let mut next = vec![(root, 0, process::parent_of(root).unwrap_or(0))];
    while let Some((pid, depth, parent)) = next.pop() {
        if !seen.insert(pid) {
            continue;
        }
        next.extend(children.get(&pid).into_iter().flatten().rev().map(|&child| (child, depth + 1, pid)));
        if nodes.len() >= MOST || Instant::now() > deadline {
            left_out += 1;
            continue;
        }
        let above = nearest.get(&parent);
        let Some(node) = node(pid, depth, parent, above) else { continue };
        let own = node.stage.map(|_| (pid, node.name.clone())).or_else(|| above.cloned().flatten());
        nearest.insert(pid, own);
        nodes.push(node);
    }
    Ok(Tree { nodes, left_out })
}

/// One process; `None` where it has ended since. `above` is the nearest process above it that has the library, or
/// `Some(&None)` where none in the tree has it; it is `None` where the parent was not looked into, as for the root.
fn node(pid: u32, depth: usize, parent: u32, above: Option<&Option<(u32, String)>>) -> Option<Node> {
    let mut node =
        Node { pid, depth, parent, name: String::new(), stage: None, scope: None, reason: None, covered: false };
    let process = match process::inspect(pid) {
        Ok(process) => process,
        Err(failure) if failure.code == NO_PROCESS => return None,
        Err(failure) => {
            node.name = process::name_of(pid).unwrap_or_default();
            node.reason = Some(failure.message);
            return Some(node);
        }
    };
    node.name = process.name;
    match process.library.map(|library| (library.snapshot, library.path)) {
        None => {
            node.reason = match above {
                None => why_not_loaded(pid),
                Some(above) => why_not_loaded_below(pid, above.clone()),
            };
        }
        Some((Err(problem), path)) => node.reason = Some(format!("{path}: {problem}")),
        Some((Ok(snapshot), _)) => {
            node.covered = snapshot.stage == Some(Stage::Active);
            node.stage = Some(stage_word(&snapshot));
            node.scope = snapshot.scope.map(Scope::word);
            node.reason = why_not_in_force(&snapshot).map(str::to_owned);
        }
    }
    Some(node)
}

impl Tree {
    fn covered(&self) -> usize {
        self.nodes.iter().filter(|node| node.covered).count()
    }

    fn json(&self, root: u32) -> Value {
        let processes: Vec<Value> = self
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "pid": node.pid,
                    "parent": node.parent,
                    "depth": node.depth,
                    "name": node.name,
                    "covered": node.covered,
                    "stage": node.stage,
                    "scope": node.scope,
                    "reason": node.reason,
                })
            })
            .collect();
        json!({ "root": root, "covered": self.covered(), "left_out": self.left_out, "processes": processes })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let indent = "  ".repeat(node.depth.min(INDENTED));
            let deeper = if node.depth > INDENTED { format!("[{}] ", node.depth) } else { String::new() };
            let state = match (node.covered, node.stage) {
                (true, _) => format!("in force, scope {}", node.scope.unwrap_or("unknown")),
                (false, Some(_)) => "loaded, not in force".into(),
                (false, None) => "NOT COVERED".into(),
            };
            let reason = node.reason.as_ref().map(|reason| format!(": {}", output::name(reason))).unwrap_or_default();
            let _ = writeln!(text, "{indent}{deeper}{} {}: {state}{reason}", node.pid, output::name(&node.name));
        }
        let _ = writeln!(text, "{} of {} processes are covered", self.covered(), self.nodes.len() + self.left_out);
        if self.left_out > 0 {
            let _ = writeln!(text, "{} more were not looked into", self.left_out);
        }
        text
    }
}
