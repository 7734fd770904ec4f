//! NVIDIA's Triton Inference Server, the real one, with a Python model: vanishing clients do it no harm, and nobody
//! else notices them.
//!
//! It ignores SIGPIPE by itself, as libevhtp does that for it. What happens when something in the process puts the
//! signal back is here too: bare, that kills it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what cannot be set up has failed the test")]

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use harness::clients::{Vanish, ask, ask_for, body, get, storm, vanish};
use harness::{Running, SIGINT, SIGPIPE, SIGTERM, Subject, bare, broken_pipes, free_port, grpc, library, preloaded};
use harness::{program, python_environment, root, status, wait_for_port};

const LIMIT: Duration = Duration::from_secs(60);

struct Triton {
    running: Running,
    http: u16,
    grpc: u16,
    metrics: u16,
}

impl Triton {
    fn start(run: impl FnOnce(PathBuf) -> Subject) -> Self {
        let triton = site_packages().join("pytriton/tritonserver");
        let (http, grpc, metrics) = (free_port(), free_port(), free_port());
        let subject = run(triton.join("bin/tritonserver"))
            .arg(format!("--model-repository={}", root().join("tests/servers/triton-models").display()))
            .arg(format!("--backend-directory={}", triton.join("backends").display()))
            .args(["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"])
            .args([format!("--http-port={http}"), format!("--grpc-port={grpc}"), format!("--metrics-port={metrics}")])
            .args(["--allow-gpu-metrics=false", "--exit-timeout-secs=20"])
            .env("PATH", path_with_python());
        let running = subject.start();
        // Says that it's up before it listens for metrics.
        running.wait_for_line("Started HTTPService", LIMIT);
        wait_for_port(&running, metrics, LIMIT);
        Self { running, http, grpc, metrics }
    }

    fn has_sigpipe_put_back(&self) {
        self.running.signal(libc::SIGUSR1);
    }

    /// Vanishing clients of every kind, to every port. About ten thousand.
    fn storms(&self) {
        let infer = infer(30_000, "");
        let cut = &infer[..20_000];
        let call = grpc_infer(30_000);
        for (port, request, how, clients) in [
            (self.http, &get("/v2/health/ready")[..], Vanish::AtOnce, 3000),
            (self.http, &infer, Vanish::AtOnce, 1000),
            (self.http, &infer, Vanish::After(1), 500),
            (self.http, cut, Vanish::Reset, 500),
            (self.http, cut, Vanish::AtOnce, 500),
            (self.metrics, &get("/metrics"), Vanish::AtOnce, 2000),
            (self.metrics, &get("/metrics"), Vanish::After(1), 500),
            (self.grpc, &call, Vanish::AtOnce, 500),
            (self.grpc, &call, Vanish::After(100), 500),
            (self.grpc, &call, Vanish::After(10_000), 500),
            (self.grpc, &call[..20_000], Vanish::Reset, 500),
        ] {
            assert_eq!(storm(port, request, how, clients), clients, "{how:?} on port {port}");
        }
    }

    /// Storms while a real client asks by HTTP and gRPC: all its answers are right and none is missing.
    fn serves_through_storms(&self) {
        let client = bare(python_environment().join("bin/python"))
            .arg(root().join("tests/servers/triton_client.py"))
            .args([self.http.to_string(), self.grpc.to_string()])
            .start();
        client.wait_for_line("asking", LIMIT);
        self.storms();
        let outcome = client.terminate();
        outcome.assert_silent_success();
        self.answers();
    }

    fn answers(&self) {
        let answer = ask(self.http, &infer(1000, "")).expect("Triton answers");
        assert!(body(&answer).ends_with(&[7; 1000]));
        let answer = ask_for(self.grpc, &grpc_infer(30_000), 30_000).expect("Triton answers");
        assert!(answer.windows(1000).any(|window| window == [7; 1000]), "the hand-made gRPC call is wrong");
        let answer = ask(self.metrics, &get("/metrics")).expect("Triton answers");
        assert!(String::from_utf8_lossy(body(&answer)).contains("nv_inference_request_success"));
    }

    /// Asked to end while a request is worked on: that one still has its answer, and the exit is in order.
    fn ends_in_order_by(self, signal: i32) {
        let port = self.http;
        let asking = thread::spawn(move || ask(port, &infer(1000, "\"parameters\":{\"delay\":\"1\"},")));
        self.running.wait_for_line("echo waits", LIMIT);
        self.running.signal(signal);
        let answer = asking.join().expect("no panic").expect("Triton answers");
        assert!(body(&answer).ends_with(&[7; 1000]));
        self.running.wait(LIMIT).assert_code(0);
    }
}

#[test]
fn storms_in_scope_process_go_by_unnoticed() {
    let triton = Triton::start(preloaded);
    assert_eq!(status(triton.running.pid())["kernel"]["sigpipe"], "ignore");
    triton.serves_through_storms();
    triton.ends_in_order_by(SIGTERM);
}

#[test]
fn storms_in_scope_sockets_go_by_unnoticed_and_are_counted() {
    let triton = Triton::start(|program| preloaded(program).scope("sockets").log("summary"));
    triton.serves_through_storms();
    assert!(broken_pipes(triton.running.pid()) > 0, "{:#}", status(triton.running.pid()));
    triton.ends_in_order_by(SIGTERM);
}

#[test]
fn ends_in_order_by_sigint_with_a_request_in_flight() {
    Triton::start(preloaded).ends_in_order_by(SIGINT);
}

#[test]
fn dies_bare_when_sigpipe_is_put_back() {
    let triton = Triton::start(|program| bare(program).env("LD_PRELOAD", self::program("default_sigpipe")));
    triton.answers();
    triton.has_sigpipe_put_back();
    storm(triton.http, &get("/v2/health/ready"), Vanish::AtOnce, 1000);
    let _ = vanish(triton.http, &infer(30_000, ""), Vanish::After(1));
    triton.running.wait(LIMIT).assert_killed_by(SIGPIPE);
}

#[test]
fn storms_go_by_unnoticed_when_sigpipe_is_put_back() {
    for scope in ["process", "sockets"] {
        let both = format!("{}:{}", library().display(), program("default_sigpipe").display());
        let triton = Triton::start(|program| bare(program).env("LD_PRELOAD", both).scope(scope));
        triton.has_sigpipe_put_back();
        triton.serves_through_storms();
        let status = status(triton.running.pid());
        assert_eq!(
            (&status["program"]["sigpipe"], &status["kernel"]["sigpipe"]),
            (&"default".into(), &"handler".into())
        );
        assert!(broken_pipes(triton.running.pid()) > 0, "{status:#}");
        triton.ends_in_order_by(SIGTERM);
    }
}

/// The process that runs the model is no `python3`: it is the backend's own program, which embeds Python.
#[test]
fn a_crash_in_an_extension_module_is_reported_with_the_models_stack() {
    // On a busy machine a report of so large a process takes its time.
    let triton = Triton::start(|program| preloaded(program).env("NOSIGPIPE_CRASH_TIMEOUT", "60"));
    let port = triton.http;
    let asking = thread::spawn(move || ask(port, &infer(1000, "\"parameters\":{\"crash\":\"1\"},")));
    triton.running.wait_for_line("nosigpipe: in short: triton_python_", LIMIT);
    let report = triton.running.stderr();
    let model = root().join("tests/servers/triton-models/echo/1/model.py");
    let text = std::fs::read_to_string(&model).expect("the model");
    let line = text.lines().position(|line| line.contains("string_at(0)")).expect("a line with the crash") + 1;
    let place = format!("{}:{line}", model.display());
    for wanted in [
        format!("\n  in Python function TritonPythonModel.answer at {place}\n"),
        format!(
            "\n    #1  TritonPythonModel.answer at {place}\n    #2  TritonPythonModel.execute.<locals>.<listcomp> at "
        ),
        format!(", in Python function TritonPythonModel.answer at {place} [fingerprint "),
        "\n  in Python:\n    #0  string_at at ".into(),
    ] {
        assert!(report.contains(&wanted), "{wanted}\n{report}");
    }
    // Nobody else is harmed: Triton says that the model's process is gone, and answers.
    let answer = asking.join().expect("no panic").expect("Triton answers");
    assert!(String::from_utf8_lossy(&answer).contains("Stub process"), "{}", String::from_utf8_lossy(&answer));
}

/// An HTTP request to the model, with so many bytes, answered likewise.
fn infer(length: usize, parameters: &str) -> Vec<u8> {
    let json = format!(
        "{{{parameters}\"inputs\":[{{\"name\":\"IN\",\"datatype\":\"UINT8\",\"shape\":[{length}],\"parameters\":\
         {{\"binary_data_size\":{length}}}}}],\"outputs\":[{{\"name\":\"OUT\",\"parameters\":{{\"binary_data\":true}}}}]}}"
    );
    let head = format!(
        "POST /v2/models/echo/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Inference-Header-Content-Length: {}\r\nContent-Length: {}\r\n\r\n{json}",
        json.len(),
        json.len() + length
    );
    [head.as_bytes(), &vec![7; length]].concat()
}

/// The same by gRPC.
fn grpc_infer(length: usize) -> Vec<u8> {
    // The shape is a packed list of one varint.
    let shape = [length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8];
    let input = [grpc::field(1, b"IN"), grpc::field(2, b"UINT8"), grpc::field(3, &shape)].concat();
    let message = [grpc::field(1, b"echo"), grpc::field(5, &input), grpc::field(7, &vec![7; length])].concat();
    grpc::call("/inference.GRPCInferenceService/ModelInfer", &message)
}

fn site_packages() -> PathBuf {
    let output = bare(python_environment().join("bin/python"))
        .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        .run();
    output.assert_silent_success();
    output.stdout().trim().into()
}

/// The backend finds its modules by the first python in PATH.
fn path_with_python() -> String {
    format!("{}:{}", python_environment().join("bin").display(), std::env::var("PATH").unwrap_or_default())
}
