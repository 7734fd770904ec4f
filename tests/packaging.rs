//! What is in packaging/, examples/ and the pages about them is true of the files that are built. The packages themselves
//! are tried by scripts/test-packages.

#![expect(clippy::panic, reason = "a test says what went wrong by panicking")]

use std::fs;

use harness::{Scratch, bare, root};

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn systemd_takes_the_drop_ins_and_finds_the_service_safer() {
    let tree = Scratch::with_release();
    let unit = tree.path().join("nosigpipe-test.service");
    fs::write(&unit, "[Unit]\nDescription=A server\n[Service]\nExecStart=/bin/true\n").unwrap();
    let analyze = |words: &[&str]| {
        let command = bare("systemd-analyze").args(words).arg(&unit);
        command.env("SYSTEMD_UNIT_PATH", format!("{}:", tree.path().display())).run()
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
    let drop_in = tree.path().join("nosigpipe-test.service.d");
    fs::create_dir(&drop_in).unwrap();
    for name in ["nosigpipe.conf", "hardening.conf"] {
        fs::write(drop_in.join(name), read(&format!("packaging/systemd/{name}"))).unwrap();
    }
    // It may have something to say about the machine's own units.
    let said = analyze(&["verify", "--man=no"]);
    assert!(!said.assert_code(0).stderr().contains("nosigpipe"), "{said}");
    let after = exposure();
    assert!(after + 1.0 < before, "{before} without the drop-ins, {after} with them");
}

#[test]
fn other_supervisors_files_set_the_same_two_variables() {
    let wanted = "/usr/lib/nosigpipe/libnosigpipe.so /var/log/nosigpipe\n";
    // Without the directory that it makes on the machine.
    let openrc = format!("mkdir() {{ :; }}; . {}/packaging/openrc/nosigpipe.confd", root().display());
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
    let tree = Scratch::with_release();
    let page = read("docs/containers.md");
    let copy = page.lines().find_map(|line| line.strip_prefix("    COPY nosigpipe/")).unwrap();
    let (from, to) = copy.split_once(' ').unwrap();
    assert!(tree.path().join(from).exists() && page.contains(&format!("    ENV LD_PRELOAD={to}\n")), "{copy}");
    for name in ["debian", "ubi", "alpine"] {
        let text = read(&format!("packaging/docker/Dockerfile.{name}"));
        for copy in text.lines().filter_map(|line| line.strip_prefix("COPY nosigpipe/")) {
            let from = copy.split(' ').next().unwrap();
            assert!(tree.path().join(from).exists(), "{name}: {copy}");
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
    let tree = Scratch::with_release();
    fs::create_dir(tree.path().join("src")).unwrap();
    fs::write(tree.path().join("src/price.c"), "int *price;\nint main(void) {\n    return *price;\n}\n").unwrap();
    // As CMake and others do it, in a directory for what is built; and by a name that would end the command or a part of it.
    fs::create_dir(tree.path().join("build")).unwrap();
    let name = "50%: a,b";
    bare("gcc")
        .args(["-g", "-o", name, "../src/price.c"])
        .current_dir(tree.path().join("build"))
        .run()
        .assert_silent_success();
    let crash = bare(tree.path().join("bin/nosigpipe"))
        .args(["run", "--format=json", "--"])
        .arg(tree.path().join("build").join(name));
    let crash = crash.current_dir(tree.path()).run();
    fs::write(tree.path().join("report.json"), crash.stderr()).unwrap();
    let report = || {
        bare(tree.path().join("bin/nosigpipe")).args(["report", "--annotate", "report.json"]).current_dir(tree.path())
    };
    let on_github = report().env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", tree.path()).run();
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
