//! Reports in JSON, judged by a validator that others wrote: PyPI's jsonschema, all of them in one run of it.

use harness::{bare, python_environment, root};
use serde_json::{Value, json};

/// Reads `[[name, report], ...]` and prints, as JSON, what is wrong with each report that does not follow the schema. The
/// schema lets readers ignore keys that they don't know; what we write has none that it does not name, so here its objects are
/// closed where they list their keys and say nothing of others.
const JUDGE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator

def close(schema):
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
close(schema)
validator = Draft202012Validator(schema)
wrong = []
for name, report in json.load(sys.stdin):
    problem = next(validator.iter_errors(report), None)
    if problem is not None:
        wrong.append(f"{name}: {'/'.join(map(str, problem.absolute_path))}: {problem.message[:300]}")
print(json.dumps(wrong))
"#;

/// What is wrong with these reports, each with its case's name; one line for each report that is not as the schema says.
pub fn problems(reports: &[(String, Value)]) -> Vec<String> {
    if reports.is_empty() {
        return Vec::new();
    }
    let schema = root().join("docs/crash-report.schema.json");
    let judge = bare(python_environment().join("bin/python")).args(["-c", JUDGE]).arg(schema);
    let outcome = judge.stdin(json!(reports).to_string()).run();
    outcome.assert_silent_success();
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}
