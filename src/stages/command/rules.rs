//! What no schema can say of a command: names, placeholders, paths.

use super::settings::Word;
use super::template::{Piece, pieces};
use super::{Command, DEVICE, SEED, THREADS};
use crate::declare::typed;
use moelab_engine::spec::{NAME, is_name, words};
use moelab_engine::stage::{Connected, Misfit, Unfit};
use serde_json::Value;
use std::path::{Component, Path};

const RESERVED: [&str; 3] = [SEED, THREADS, DEVICE];

pub(super) fn check(settings: &Value, ports: &Connected<'_>) -> Result<(), Unfit> {
    let command: Command = typed(settings);
    let mut rules = Rules {
        command: &command,
        ports,
        found: Vec::new(),
    };
    rules.names();
    rules.words();
    rules.use_of_names();
    rules.files();
    rules.surroundings();
    if rules.found.is_empty() {
        Ok(())
    } else {
        Err(Unfit(rules.found))
    }
}

struct Rules<'a> {
    command: &'a Command,
    ports: &'a Connected<'a>,
    found: Vec<Misfit>,
}

impl Rules<'_> {
    fn say(&mut self, path: &[&str], key: bool, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Misfit {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            key,
            message: message.into(),
            hint: Some(hint.into()).filter(|hint| !hint.is_empty()),
        });
    }

    /// Inputs, files and outputs share their names with each other and with what every command knows.
    fn names(&mut self) {
        let command = self.command;
        let inputs = self.ports.names().map(|name| ("inputs", name));
        let files = command.files.keys().map(|name| ("files", name.as_str()));
        let outputs = command.outputs.keys().map(|name| ("outputs", name.as_str()));
        let all: Vec<_> = inputs.chain(files).chain(outputs).collect();
        for (i, (part, name)) in all.iter().enumerate() {
            let path = [*part, *name];
            if !is_name(name) {
                self.say(&path, true, format!("`{}` is no name", words::shorten(name)), NAME);
            } else if RESERVED.contains(name) {
                let message = format!("`{{{name}}}` has a meaning of its own in `run`");
                self.say(&path, true, message, "choose another name");
            } else if let Some((other, _)) = all[..i].iter().find(|(_, earlier)| earlier == name) {
                let message = format!("`{name}` stands under `{other}` and under `{part}`");
                self.say(&path, true, message, "give one of them another name");
            }
        }
        if command.outputs.is_empty() {
            self.say(
                &["outputs"],
                true,
                "a command needs at least one output",
                "like `outputs: {table: file}`",
            );
        }
    }

    fn words(&mut self) {
        for (i, Word(word)) in self.command.run.iter().enumerate() {
            let at = i.to_string();
            let path = ["run", at.as_str()];
            if word.contains('\0') {
                self.say(&path, false, "an argument cannot hold a zero byte", "");
            }
            let pieces = match pieces(word) {
                Ok(pieces) => pieces,
                Err(message) => {
                    self.say(&path, false, message, "");
                    continue;
                }
            };
            for piece in &pieces {
                let Piece::Name(name) = piece else { continue };
                let known = self.known();
                if !known.contains(&name.as_str()) {
                    let hint = words::suggest(name, known.iter().copied()).unwrap_or_default();
                    let message = format!("`{{{}}}` is no input, file or output", words::shorten(name));
                    self.say(&path, false, message, format!("{hint}; {{{{ is the text {{"));
                } else if self.ports.gathers(name) && (pieces.len() > 1 || i == 0) {
                    let message = format!("`{{{name}}}` gathers several artifacts");
                    self.say(&path, false, message, "let it be an argument of its own");
                }
            }
        }
        self.program();
    }

    fn program(&mut self) {
        let Some(Word(program)) = self.command.run.first() else {
            return;
        };
        let path = ["run", "0"];
        if program.is_empty() {
            self.say(&path, false, "the program has no name", "");
        } else if program.contains('/') && !program.starts_with(['/', '{']) {
            let name = Path::new(program)
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or("program");
            let name = if is_name(name) { name } else { "program" };
            let bare = program.trim_start_matches("./");
            self.say(
                &path,
                false,
                format!("`{program}` is not found from the empty folder in which a command starts"),
                format!("write `files: {{{name}: {bare}}}` and let `run` begin with \"{{{name}}}\""),
            );
        }
    }

    fn known(&self) -> Vec<&str> {
        let (files, outputs) = (self.command.files.keys(), self.command.outputs.keys());
        let named = files.chain(outputs).map(String::as_str);
        self.ports.names().chain(named).chain(RESERVED).collect()
    }

    /// A file may be read without being named (a module that a script imports); an input or output cannot.
    fn use_of_names(&mut self) {
        let command = self.command;
        for name in self.ports.names().filter(|name| !command.mentions(name)) {
            let message = format!("the command does not read the input `{name}`");
            self.say(
                &["inputs", name],
                true,
                message,
                format!("write \"{{{name}}}\" in `run`, or leave it out"),
            );
        }
        for name in command.outputs.keys().filter(|name| !command.mentions(name)) {
            let message = format!("the command is not told where to write `{name}`");
            self.say(
                &["outputs", name],
                true,
                message,
                format!("write \"{{{name}}}\" in `run`"),
            );
        }
    }

    fn files(&mut self) {
        for (role, path) in &self.command.files {
            let at = ["files", role.as_str()];
            let mut steps = Path::new(path).components();
            if Path::new(path).is_absolute() {
                let hint = "name it relative to the folder that holds `pipelines`; a link there may lead elsewhere";
                self.say(&at, false, "is an absolute path", hint);
            } else if steps.any(|step| step == Component::ParentDir) {
                let hint = "files are named from the folder that holds `pipelines`; a link there may lead elsewhere";
                self.say(&at, false, "leaves the project with `..`", hint);
            } else if path.is_empty() || path.contains('\0') || path.ends_with('/') {
                self.say(&at, false, "names no file", "");
            }
        }
    }

    fn surroundings(&mut self) {
        for (name, Word(value)) in &self.command.env {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
                let message = format!("`{}` cannot name a variable", words::shorten(name));
                self.say(
                    &["env", name],
                    true,
                    message,
                    "letters, digits and _, not beginning with a digit",
                );
            }
            if value.contains('\0') {
                self.say(&["env", name], false, "cannot hold a zero byte", "");
            }
        }
        if self
            .command
            .timeout
            .as_ref()
            .is_some_and(|limit| limit.duration().is_none())
        {
            self.say(&["timeout"], false, "is no time", "seconds, or like 90s, 10m, 2h, 1d");
        }
    }
}
