//! `completions`: the shells themselves take what is printed, and complete by it.

use harness::bare;

use crate::scratch::{Scratch, nosigpipe};

fn script(shell: &str) -> String {
    let outcome = nosigpipe().args(["completions", shell]).run();
    outcome.assert_silent_success();
    outcome.stdout()
}

/// What bash offers for the last of these words.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let scratch = Scratch::new();
    let file = scratch.file("nosigpipe.bash", script("bash"), 0o644);
    // As bash itself does it: the array of words, the index of the last, and the three arguments.
    let complete = "source \"$0\"; spec=$(complete -p nosigpipe); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1));
        function=${spec#*-F }; \"${function%% *}\" \"$1\" \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let outcome = bare("bash").args(["--norc", "-c", complete]).arg(file).args(words).run();
    outcome.assert_silent_success();
    outcome.stdout().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_values_and_programs() {
    let offers = bash_offers(&["nosigpipe", "st"]);
    assert_eq!(offers, ["status", "stack"]);
    let offers = bash_offers(&["nosigpipe", ""]);
    assert!(offers.contains(&"doctor".into()) && !offers.contains(&"demo-server".into()), "{offers:?}");
    assert_eq!(bash_offers(&["nosigpipe", "run", "--sco"]), ["--scope"]);
    assert_eq!(bash_offers(&["nosigpipe", "run", "--scope", "so"]), ["sockets"]);
    assert_eq!(bash_offers(&["nosigpipe", "completions", "zs"]), ["zsh"]);
    for before in
        [&["run"][..], &["run", "--"], &["run", "--scope", "tree"], &["run", "--log", "=", "off", "--"], &["check"]]
    {
        let words = [&["nosigpipe"], before, &["bas"]].concat();
        let offers = bash_offers(&words);
        assert!(offers.contains(&"bash".into()), "{words:?}: {offers:?}");
        assert!(offers.iter().all(|offer| offer.starts_with("bas")), "{words:?}: {offers:?}");
    }
}

#[test]
fn zsh_and_fish_take_theirs() {
    let scratch = Scratch::new();
    let file = scratch.file("site-functions/_nosigpipe", script("zsh"), 0o644);
    let load = "fpath=(${0:h} $fpath); autoload -U compinit; compinit -D -u; print ${_comps[nosigpipe]}; autoload +X _nosigpipe";
    let outcome = bare("zsh").args(["-f", "-c", load]).arg(&file).env("HOME", scratch.path("")).run();
    outcome.assert_silent_success().assert_stdout("_nosigpipe\n");

    let file = scratch.file("nosigpipe.fish", script("fish"), 0o644);
    let ask = "source $argv[1]; complete -C 'nosigpipe st'; complete -C 'nosigpipe run --scope so'; complete -C 'nosigpipe run bas'";
    let outcome = bare("fish").args(["--no-config", "-c", ask]).arg(&file).env("HOME", scratch.path("")).run();
    outcome.assert_silent_success();
    let text = outcome.stdout();
    let offers = |word: &str| text.lines().any(|line| line.split('\t').next() == Some(word));
    assert!(offers("status") && offers("sockets") && offers("bash"), "{outcome}");
}
