//! A small registry for tests: a pipeline of the usual shape without any machine learning.

use super::words;
use crate::stage::{Misfit, Output, Port, Registry, Settings, Stage, Unfit};
use serde_json::{Map, Value, json};

fn stage(kind: &'static str, schema: Value, inputs: Vec<Port>, outputs: fn(&Value) -> Vec<Output>) -> Stage {
    Stage {
        kind,
        version: 1,
        summary: "",
        inputs,
        outputs,
        settings: Settings {
            schema,
            normalise: |_| unreachable!("set below"),
            keyed: Value::clone,
        },
        draws: |_| false,
        check: |_, _| Ok(()),
        sources: |_, _| Ok(Default::default()),
        accelerated: |_| false,
    }
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn filled(given: &Value, defaults: Value) -> Result<Value, String> {
    let mut all = defaults.as_object().cloned().unwrap_or_default();
    for (key, value) in given.as_object().unwrap_or(&Map::new()) {
        // One spelling per number, as typed settings have.
        let value = words::whole(value).map_or_else(|| value.clone(), Value::from);
        all.insert(key.clone(), value);
    }
    Ok(Value::Object(all))
}

fn train_schema() -> Value {
    object(json!({
        "latent_dim": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 10},
        "epochs": {"type": "integer", "minimum": 0, "default": 5},
        "learning_rate": {"type": "number", "exclusiveMinimum": 0, "default": 0.001},
        "variant": {"enum": ["vae", "ae", "wae"], "default": "vae"},
        "reduction": {"oneOf": [{"const": "sum", "description": "s"}, {"const": "mean"}], "default": "sum"},
        "filters": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}], "default": 8},
        "augment": {"$ref": "#/$defs/Augment"},
        "note": {"type": ["string", "null"], "default": null}
    }))
}

/// `load → train → find → cluster → choose → score`, and `copy`, which draws nothing and has two outputs of one type, and
/// `shell`, which leaves its inputs and outputs to the user.
pub fn registry() -> Registry {
    let mut load = stage(
        "load",
        json!({"type": "object", "additionalProperties": false, "required": ["dataset"],
               "properties": {"dataset": {"type": ["string", "object"]}, "limit": {"type": ["integer", "null"]}}}),
        vec![],
        |settings| match settings.get("dataset").and_then(Value::as_str) {
            Some("blobs") => vec![
                Output::file("features", "features"),
                Output::optional("labels", "labels"),
            ],
            _ => vec![Output::file("images", "images"), Output::optional("labels", "labels")],
        },
    );
    load.settings.normalise = |s| filled(s, json!({"limit": null}));
    load.sources = |settings, folders| match settings["dataset"].as_str() {
        Some("missing") => Err(format!("no data set `missing` in {}", folders.data.display())),
        Some(name) => Ok([("file".to_owned(), crate::digest::Digest::of(name.as_bytes()))].into()),
        None => Ok(Default::default()),
    };

    let mut schema = train_schema();
    schema["$defs"] = json!({"Augment": {"type": "object", "additionalProperties": false,
        "properties": {"rotation": {"type": "number"}, "flip": {"type": "boolean"}}}});
    let mut train = stage("train", schema, vec![Port::one("images", &["images"])], |_| {
        let history = Output::file("history", "history").holding(&[("loss", ""), ("share_K", "")]);
        vec![Output::file("model", "model"), history]
    });
    train.settings.normalise = |s| {
        filled(
            s,
            json!({"latent_dim": 10, "epochs": 5, "learning_rate": 0.001, "variant": "vae", "reduction": "sum", "filters": 8, "augment": {}, "note": null}),
        )
    };
    train.draws = |_| true;
    train.check = |settings, _| match (settings["variant"].as_str(), settings["epochs"].as_u64()) {
        (Some("wae"), Some(0)) => Err("variant wae needs at least one epoch".into()),
        _ => Ok(()),
    };

    let mut find = stage(
        "find",
        object(json!({"variance": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.9}})),
        vec![Port::one("images", &["images"]), Port::one("model", &["model"])],
        |_| {
            vec![
                Output::value("latent_dim", "latent_dim"),
                Output::file("spectrum", "spectrum"),
            ]
        },
    );
    find.settings.normalise = |s| filled(s, json!({"variance": 0.9}));

    let mut embed = stage(
        "embed",
        object(json!({"n_neighbors": {"type": "integer", "default": 15}})),
        vec![
            Port::one("images", &["images", "features"]),
            Port::optional("model", &["model"]),
        ],
        |_| vec![Output::file("points", "points"), Output::file("graph", "graph")],
    );
    embed.settings.normalise = |s| filled(s, json!({"n_neighbors": 15}));
    embed.draws = |_| true;

    let mut cluster = stage(
        "cluster",
        object(
            json!({"k": {"type": "integer", "minimum": 1, "default": 10}, "random": {"type": "boolean", "default": false}}),
        ),
        vec![Port::one("points", &["points", "features"])],
        |_| vec![Output::file("clusters", "clusters")],
    );
    cluster.settings.normalise = |s| filled(s, json!({"k": 10, "random": false}));
    cluster.draws = |settings| settings["random"] == json!(true);

    let mut choose = stage(
        "choose",
        object(
            json!({"by": {"type": "string", "default": "density"}, "random": {"type": "boolean", "default": false}}),
        ),
        vec![
            Port::gathering("candidates", &["clusters"]),
            Port::optional("points", &["points"]),
        ],
        |_| vec![Output::file("clusters", "clusters")],
    );
    choose.settings.normalise = |s| filled(s, json!({"by": "density", "random": false}));
    choose.draws = |settings| settings["random"] == json!(true);

    let mut score = stage(
        "score",
        object(json!({"noise": {"enum": ["drop", "keep"], "default": "keep"}})),
        vec![Port::one("clusters", &["clusters"]), Port::one("labels", &["labels"])],
        |_| {
            vec![
                Output::value("metrics", "metrics").holding(&[("acc", ""), ("nmi", ""), ("ari", "")]),
                Output::file("confusion", "confusion"),
            ]
        },
    );
    score.settings.normalise = |s| filled(s, json!({"noise": "keep"}));

    let mut copy = stage(
        "copy",
        object(json!({"size": {"type": "integer"}})),
        vec![Port::one("model", &["model"])],
        |_| vec![Output::file("left", "model"), Output::file("right", "model")],
    );
    copy.settings.schema["required"] = json!(["size"]);
    copy.settings.normalise = |s| filled(s, json!({}));

    let mut shell = stage(
        "shell",
        object(
            json!({"gives": {"type": "array", "items": {"type": "string"}, "default": ["out"]},
                      "reads": {"type": ["array", "null"], "items": {"type": "string"}, "default": null}}),
        ),
        vec![Port::ANY],
        |settings| {
            let names = settings["gives"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            let output = |name: &str| Output {
                name: name.to_owned().into(),
                ..Output::file("", "model")
            };
            names.map(output).collect()
        },
    );
    shell.settings.normalise = |s| filled(s, json!({"gives": ["out"], "reads": null}));
    shell.check = |settings, ports| {
        let reads = settings["reads"].as_array().into_iter().flatten().enumerate();
        let unknown = reads.filter(|(_, name)| !ports.has(name.as_str().unwrap_or_default()));
        let misfits: Vec<_> = unknown
            .map(|(i, name)| Misfit {
                path: vec!["reads".into(), i.to_string()],
                message: format!("nothing is called {name}"),
                ..Misfit::default()
            })
            .collect();
        if misfits.is_empty() {
            Ok(())
        } else {
            Err(Unfit(misfits))
        }
    };

    Registry::new([load, train, find, embed, cluster, choose, score, copy, shell])
}

/// A pipeline that uses all of it but `copy`.
pub const PIPELINE: &str = "\
pipeline: p
params:
  dataset: digits
  epochs: {wide: 5, vae: 5}
  alpha: 0.001
  k: 10
stages:
  images:
    stage: load
    dataset: ${dataset}
  wide:
    stage: train
    inputs: {images: images}
    latent_dim: 100
    epochs: ${epochs.wide}
  latent_size:
    stage: find
    inputs: {images: images, model: wide}
  vae:
    stage: train
    inputs: {images: images, latent_dim: latent_size}
    epochs: ${epochs.vae}
    learning_rate: ${alpha}
  embedding:
    stage: embed
    inputs: {images: images, model: vae}
  clusters:
    stage: cluster
    inputs: {points: embedding}
    k: ${k}
  evaluation:
    stage: score
    inputs: {clusters: clusters, labels: images}
";

/// A folder with that pipeline (or another) and the experiments of a test.
pub struct Lab {
    pub folder: tempfile::TempDir,
}

impl Lab {
    pub fn new(pipeline: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["pipelines", "experiments"] {
            std::fs::create_dir(folder.path().join(name)).expect("a new folder");
        }
        std::fs::write(folder.path().join("pipelines/p.yaml"), pipeline).expect("written");
        Self { folder }
    }

    /// Loads an experiment given as the text after its two names.
    pub fn load(&self, rest: &str, set: &[&str]) -> Result<super::Experiment, String> {
        let file = self.folder.path().join("experiments/e.yaml");
        std::fs::write(&file, format!("experiment: e\npipeline: p\n{rest}")).expect("written");
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        let root = format!("{}/", self.folder.path().display());
        super::load(&file, &registry(), &set).map_err(|report| report.to_string().replace(&root, ""))
    }
}

/// An experiment on [`PIPELINE`].
pub fn load(rest: &str) -> Result<super::Experiment, String> {
    Lab::new(PIPELINE).load(rest, &[])
}
