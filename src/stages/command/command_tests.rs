use super::*;
use moelab_engine::digest::Digest;
use moelab_engine::stage::Connected;
use serde_json::json;
use std::path::Path;

fn normalised(settings: Value) -> Value {
    (stage().settings.normalise)(&settings).unwrap()
}

fn copy() -> Value {
    json!({"run": ["cp", "{in}", "{out}"], "outputs": {"out": "file"}})
}

/// What is wrong with these settings and inputs (name, whether gathered): paths and messages.
fn wrong(settings: Value, inputs: &[(&str, bool)]) -> Vec<String> {
    match (stage().check)(&normalised(settings), &Connected(inputs.to_vec())) {
        Ok(()) => vec![],
        Err(unfit) => {
            let say = |m: &moelab_engine::stage::Misfit| {
                format!(
                    "{}: {} ({})",
                    m.path.join("."),
                    m.message,
                    m.hint.as_deref().unwrap_or("")
                )
            };
            unfit.0.iter().map(say).collect()
        }
    }
}

/// The only thing wrong.
fn one(settings: Value, inputs: &[(&str, bool)]) -> String {
    let mut all = wrong(settings, inputs);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn with(field: &str, value: Value) -> Value {
    let mut settings = copy();
    settings[field] = value;
    settings
}

const IN: &[(&str, bool)] = &[("in", false)];

#[test]
fn a_sound_command_is_let_through() {
    assert_eq!(wrong(copy(), IN), [""; 0]);
    let all = json!({
        "run": ["{script}", "{parts}", "--seed={seed}", "-j", "{threads}", "{device}", "{{x}}", 1e-3, true, "{table}"],
        "files": {"script": "scripts/a.py", "module": "./b.py"},
        "outputs": {"table": "features"},
        "timeout": "2h",
        "env": {"OMP_NUM_THREADS": 1},
    });
    assert_eq!(wrong(all, &[("parts", true)]), [""; 0]);
}

#[test]
fn the_key_knows_neither_the_time_limit_nor_paths() {
    let mut settings = copy();
    settings["files"] = json!({"script": "a.py"});
    settings["timeout"] = json!(600);
    settings["env"] = json!({"A": 1});
    assert_eq!(
        (stage().settings.keyed)(&normalised(settings)),
        json!({"run": ["cp", "{in}", "{out}"], "outputs": {"out": "file"}, "env": {"A": "1"}})
    );
}

#[test]
fn outputs_are_as_the_user_says_and_some_are_values() {
    let settings = normalised(with(
        "outputs",
        json!({"m": "metrics", "k": "latent_dim", "t": "features"}),
    ));
    let outputs = (stage().outputs)(&settings);
    let said: Vec<_> = outputs.iter().map(|o| (&*o.name, o.artifact, o.value)).collect();
    assert_eq!(
        said,
        [
            ("k", "latent_dim", true),
            ("m", "metrics", true),
            ("t", "features", false)
        ]
    );
}

#[test]
fn it_draws_and_wants_a_device_only_if_it_says_so() {
    let stage = stage();
    for (word, draws, device) in [
        ("{seed}", true, false),
        ("{{seed}}", false, false),
        ("x={device}", false, true),
    ] {
        let settings = normalised(with("run", json!(["p", word, "{out}"])));
        assert_eq!(
            ((stage.draws)(&settings), (stage.accelerated)(&settings)),
            (draws, device),
            "{word}"
        );
    }
}

#[test]
fn files_enter_by_content_and_role() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.py"), "1").unwrap();
    let folders = Folders {
        data: Path::new("/nowhere"),
        project: dir.path(),
    };
    let sources = |files: Value| (stage().sources)(&normalised(with("files", files)), folders);
    assert_eq!(
        sources(json!({"script": "a.py"})).unwrap(),
        [("script".to_owned(), Digest::of(b"1"))].into()
    );
    for (path, what) in [("none.py", "none.py"), (".", "plain file")] {
        let said = sources(json!({ "script": path })).unwrap_err();
        assert!(said.contains("`script`") && said.contains(what), "{said}");
    }
}

#[test]
fn unknown_placeholders_get_the_nearest_name() {
    let said = one(with("run", json!(["cp", "{in}", "{out}", "{outt}"])), IN);
    assert!(
        said.starts_with("run.3: `{outt}`") && said.contains("did you mean `out`?"),
        "{said}"
    );
    assert!(one(with("run", json!(["cp", "{in}", "{out}", "{"])), IN).contains("not closed"));
}

#[test]
fn what_is_declared_is_used() {
    assert!(one(copy(), &[("in", false), ("more", false)]).starts_with("inputs.more: the command does not read"));
    let two = with("outputs", json!({"out": "file", "log": "file"}));
    assert!(one(two, IN).starts_with("outputs.log: the command is not told"));
    let none = json!({"run": ["true"], "outputs": {}});
    assert!(one(none, &[]).contains("at least one output"));
    // A module that a script imports is named nowhere.
    assert_eq!(wrong(with("files", json!({"module": "m.py"})), IN), [""; 0]);
}

#[test]
fn a_fan_in_is_an_argument_of_its_own() {
    assert_eq!(wrong(copy(), &[("in", true)]), [""; 0]);
    let glued = with("run", json!(["cp", "--in={in}", "{out}"]));
    assert!(one(glued, &[("in", true)]).contains("argument of its own"));
}

#[test]
fn names_are_plain_distinct_and_not_taken() {
    let outputs = |name: &str| json!({"run": ["p", format!("{{{name}}}")], "outputs": {name: "file"}});
    assert!(one(outputs("../x"), &[]).starts_with("outputs.../x: `../x` is no name"));
    assert!(one(outputs("seed"), &[]).contains("a meaning of its own"));
    assert!(one(with("files", json!({"in": "a"})), IN).contains("under `inputs` and under `files`"));
}

#[test]
fn files_stay_in_the_project() {
    for (path, what) in [
        ("/etc/passwd", "absolute"),
        ("../x", "leaves"),
        ("a/../../x", "leaves"),
        ("", "names no file"),
        ("a/", "names no file"),
    ] {
        let said = one(with("files", json!({ "f": path })), IN);
        assert!(said.starts_with("files.f: ") && said.contains(what), "{said}");
    }
}

#[test]
fn a_program_is_a_name_an_absolute_path_or_a_declared_file() {
    let program = |name: &str| with("run", json!([name, "{in}", "{out}"]));
    assert_eq!(wrong(program("/bin/cp"), IN), [""; 0]);
    let said = one(program("./tools/run.sh"), IN);
    assert!(said.contains("write `files: {run: tools/run.sh}`"), "{said}");
    assert!(one(program(""), IN).contains("no name"));
}

#[test]
fn variables_and_times_are_checked() {
    for name in ["", "A-B", "A=B", "1A"] {
        assert!(
            one(with("env", json!({ name: "x" })), IN).contains("cannot name a variable"),
            "{name}"
        );
    }
    assert!(one(with("env", json!({"A": "a\u{0}b"})), IN).contains("zero byte"));
    for limit in [json!("soon"), json!(0), json!(-3)] {
        assert!(one(with("timeout", limit), IN).starts_with("timeout: is no time"));
    }
}
