//! `completions`: what a shell needs to complete nosigpipe's command line.

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::{Shell, generate};

use crate::exit::{Failure, OK};
use crate::{cli, output};

pub fn command() -> Command {
    Command::new("completions")
        .about("Print what makes a shell complete nosigpipe's command line")
        .long_about(
            "Print what makes a shell complete nosigpipe's command line. Packages have it in the places where shells \
             look. Elsewhere: nosigpipe completions bash >~/.local/share/bash-completion/completions/nosigpipe",
        )
        .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("The shell"))
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let shell = matches.get_one("shell").copied().unwrap_or(Shell::Bash);
    let mut script = Vec::new();
    generate(shell, &mut cli::shown_command(), "nosigpipe", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script += &bash_for_programs(),
        Shell::Fish => script += &fish_for_programs(),
        _ => {}
    }
    output::write(&script)?;
    Ok(OK)
}

/// clap_complete's bash and fish know no command line within a command line, as its zsh does: behind our flags stands the
/// program's own.
fn bash_for_programs() -> String {
    let flags = program_commands().into_iter().flat_map(|command| command.get_arguments().cloned().collect::<Vec<_>>());
    let flags = flags.filter(|flag| flag.get_action().takes_values());
    let mut flags: Vec<_> = flags.filter_map(|flag| Some(format!("--{}", flag.get_long()?))).collect();
    flags.sort();
    flags.dedup();
    BASH_FOR_PROGRAMS.replace("@COMMANDS@", &program_names("|")).replace("@FLAGS@", &flags.join("|"))
}

/// fish's own function for sudo and its like takes what stands behind flags for the program.
fn fish_for_programs() -> String {
    format!(
        "complete -c nosigpipe -n \"__fish_nosigpipe_using_subcommand {}\" -f -a '(__fish_complete_subcommand --fcs-skip=2)'\n",
        program_names(" ")
    )
}

/// The commands that are followed by a program and its arguments.
fn program_commands() -> Vec<Command> {
    let is_program = |argument: &Arg| argument.get_value_hint() == ValueHint::CommandWithArguments;
    let command = cli::shown_command();
    let commands = command.get_subcommands().filter(|command| command.get_arguments().any(is_program));
    commands.cloned().collect()
}

fn program_names(between: &str) -> String {
    program_commands().iter().map(Command::get_name).collect::<Vec<_>>().join(between)
}

const BASH_FOR_PROGRAMS: &str = r#"
_nosigpipe_and_program() {
    local at=2
    case "${COMP_WORDS[1]}" in
        @COMMANDS@) ;;
        *) _nosigpipe "$@"; return ;;
    esac
    while ((at < COMP_CWORD)); do
        case "${COMP_WORDS[at]}" in
            --) ((at++)); break ;;
            @FLAGS@)
                # Bash makes three words of --flag=value.
                if [[ ${COMP_WORDS[at + 1]} == = ]]; then ((at += 3)); else ((at += 2)); fi ;;
            -*) ((at++)) ;;
            *) break ;;
        esac
    done
    if ((at > COMP_CWORD)) || [[ ${COMP_WORDS[COMP_CWORD]} == -* && $at -eq $COMP_CWORD && ${COMP_WORDS[at - 1]} != -- ]]; then
        _nosigpipe "$@"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$at"
    elif ((at == COMP_CWORD)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}
complete -F _nosigpipe_and_program -o bashdefault -o default nosigpipe
"#;
