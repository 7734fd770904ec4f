//! What is in packaging/, examples/ and the pages about them is true of the files that are built. The packages themselves
//! are tried by scripts/test-packages.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{bare, launcher, library, root};

/// A directory of a test's own with the release's tree in it; removed when dropped.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nosigpipe-packaging-{}-{number}", std::process::id()));
        for (from, to) in [(launcher(), "bin/nosigpipe"), (library(), "lib/nosigpipe/libnosigpipe.so")] {
            let to = path.join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // Not by fs::copy: while it was open for writing, another test's fork could take the descriptor along.
            bare("cp").arg(from).arg(to).run().assert_silent_success();
        }
        Self(path.canonicalize().unwrap())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn systemd_takes_the_drop_in_and_finds_it_safer() {
    let tree = Tree::new();
    let unit = tree.0.join("nosigpipe-test.service");
    fs::write(&unit, "[Unit]\nDescription=A server\n[Service]\nExecStart=/bin/true\n").unwrap();
    let analyze = |words: &[&str]| {
        let command = bare("systemd-analyze").args(words).arg(&unit);
        command.env("SYSTEMD_UNIT_PATH", format!("{}:", tree.0.display())).run()
    };
    // Ten is as exposed as can be.
    let exposure = || {
        let said = analyze(&["security", "--no-pager", "--offline=true"]);
        let line = said.assert_code(0).stdout();
        let line =
            line.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_else(|| panic!("{said}"));
        line.split_whitespace().find_map(|word| word.parse::<f32>().ok()).unwrap()
    };
    let before = exposure();
    let drop_in = tree.0.join("nosigpipe-test.service.d");
    fs::create_dir(&drop_in).unwrap();
    fs::write(drop_in.join("nosigpipe.conf"), read("packaging/systemd/nosigpipe.conf")).unwrap();
    analyze(&["verify", "--man=no"]).assert_silent_success();
    let after = exposure();
    assert!(after + 1.0 < before, "{before} without the drop-in, {after} with it");
}

#[test]
fn other_supervisors_files_set_the_same_two_variables() {
    let wanted = "/usr/lib/nosigpipe/libnosigpipe.so /var/log/nosigpipe\n";
    let openrc = format!(". {}/packaging/openrc/nosigpipe.confd", root().display());
    let outcome = bare("env").args(["-u", "LD_PRELOAD", "dash", "-euc"]);
    let outcome =
        outcome.arg(format!("{openrc}; set -- \"$LD_PRELOAD\"; unset LD_PRELOAD; echo \"$1\" \"$NOSIGPIPE_REPORT\""));
    assert_eq!(outcome.run().assert_silent_success().stdout(), wanted);
    // supervisord reads its files by this parser, and this value as a shell would.
    let supervisor = "import configparser, shlex, sys
settings = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'))
settings.read(sys.argv[1])
words = shlex.split(settings['program:server']['environment'].replace(',', ' '))
print(*(word.partition('=')[2] for word in words))";
    let file = root().join("packaging/supervisor/server.conf");
    let outcome = bare("python3").args(["-c", supervisor]).arg(file).run();
    assert_eq!(outcome.assert_silent_success().stdout(), wanted);
}

#[test]
fn dockerfiles_copy_what_the_release_has_and_name_it() {
    let tree = Tree::new();
    let page = read("docs/containers.md");
    let copy = page.lines().find_map(|line| line.strip_prefix("    COPY nosigpipe/")).unwrap();
    let (from, to) = copy.split_once(' ').unwrap();
    assert!(tree.0.join(from).exists() && page.contains(&format!("    ENV LD_PRELOAD={to}\n")), "{copy}");
    for name in ["debian", "ubi", "alpine"] {
        let text = read(&format!("packaging/docker/Dockerfile.{name}"));
        for copy in text.lines().filter_map(|line| line.strip_prefix("COPY nosigpipe/")) {
            let from = copy.split(' ').next().unwrap();
            assert!(tree.0.join(from).exists(), "{name}: {copy}");
        }
        let to = text.lines().find_map(|line| line.strip_prefix("COPY --from=nosigpipe /libnosigpipe.so ")).unwrap();
        let expected = format!("ENV LD_PRELOAD=\"{to}\"");
        assert!(text.lines().any(|line| line == expected), "{name}");
    }
}

#[test]
fn there_is_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("action.yml").contains(&format!("default: {version}\n")));
    for file in ["packaging/kubernetes/deployment.yaml", "packaging/kubernetes/component/kustomization.yaml"] {
        assert!(read(file).contains(&format!("image: registry.example/nosigpipe:{version}")), "{file}");
    }
}

#[test]
fn a_crash_is_an_annotation_of_the_line_in_the_repository_on_github_only() {
    let tree = Tree::new();
    fs::create_dir(tree.0.join("src")).unwrap();
    fs::write(tree.0.join("src/price.c"), "int *price;\nint main(void) {\n    return *price;\n}\n").unwrap();
    // As CMake and others do it, in a directory for what is built; and by a name that would end the command or a part of it.
    fs::create_dir(tree.0.join("build")).unwrap();
    let name = "50%: a,b";
    bare("gcc")
        .args(["-g", "-o", name, "../src/price.c"])
        .current_dir(tree.0.join("build"))
        .run()
        .assert_silent_success();
    let crash =
        bare(tree.0.join("bin/nosigpipe")).args(["run", "--format=json", "--"]).arg(tree.0.join("build").join(name));
    let crash = crash.current_dir(&tree.0).run();
    fs::write(tree.0.join("report.json"), crash.stderr()).unwrap();
    let report =
        || bare(tree.0.join("bin/nosigpipe")).args(["report", "--annotate", "report.json"]).current_dir(&tree.0);
    let on_github = report().env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", &tree.0).run();
    on_github.assert_silent_success();
    let text = on_github.stdout();
    let title = "50%25%3A a%2Cb crashed";
    assert!(
        text.starts_with(&format!("::error file=src/price.c,line=3,title={title}::nosigpipe: 50%25: a,b")),
        "{on_github}"
    );
    assert_eq!(text.lines().count(), 1, "{on_github}");
    let elsewhere = report().run();
    assert!(!elsewhere.assert_silent_success().stdout().contains("::error"), "{elsewhere}");
}
