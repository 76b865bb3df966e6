//! `load`: brings a data set into the store.

use crate::artifact;
use crate::declare::{current, never, settings, typed};
use moelab_data::archive::tree_digest;
use moelab_data::content::file_digest;
use moelab_data::{Class, DataDir, DataError, Options, Size, Source, Split};
use moelab_engine::digest::Digest;
use moelab_engine::spec::words;
use moelab_engine::stage::{Connected, Folders, Misfit, Output, Settings, Sources, Stage, Unfit};
use moelab_engine::store::sources::digest_with;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io;
use std::path::Path;

pub const VERSION: u32 = 2;

/// Settings of `load`. Order of operations: split, classes, limit, resize, pad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// A known set (digits, mnist, fashion-mnist, usps, usps-smoothed, cifar10, cifar100-20, stl10, svhn, coil20),
    /// `{folder: PATH}` of PNG or JPEG files by class or split/class (also as tar or zip),
    /// `{arrays: {images: x.npy, labels: y.npy}}`,
    /// `{arrays: {features: x.npy}}`, or a generator (`{blobs: …}`, `{arcs: …}`, `{moons: …}`). Relative paths are below
    /// the data folder.
    pub dataset: Source,
    /// Which part; `all` is train, then test.
    #[serde(default)]
    pub split: Split,
    /// Keep these classes only, by label or by name.
    #[serde(default)]
    pub classes: Option<Vec<Class>>,
    /// Keep this many rows, chosen by a fixed permutation that never looks at labels.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub limit: Option<usize>,
    /// Bring images to this side, or [height, width], with an antialiasing filter.
    #[serde(default)]
    pub resize: Option<Size>,
    /// Centre images in a square of this side, padded with zeros.
    #[serde(default)]
    #[schemars(range(min = 1, max = 8192))]
    pub pad: Option<u32>,
}

impl Load {
    /// The source with its paths below `data` where they are relative.
    pub fn source(&self, data: &Path) -> Source {
        let mut source = self.dataset.clone();
        match &mut source {
            Source::Folder { folder } => *folder = data.join(&folder),
            Source::Arrays { arrays } => {
                for path in [&mut arrays.images, &mut arrays.features, &mut arrays.labels]
                    .into_iter()
                    .flatten()
                {
                    *path = data.join(&path);
                }
            }
            Source::Known(_) | Source::Synthetic(_) => {}
        }
        source
    }

    pub fn options(&self) -> Options {
        Options {
            split: self.split,
            classes: self.classes.clone(),
            limit: self.limit,
            resize: self.resize,
            pad: self.pad,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "load",
        version: VERSION,
        summary: "Reads a data set: a known one, a folder of images, arrays, or a synthetic one.",
        inputs: vec![],
        outputs,
        settings: Settings {
            keyed,
            ..settings::<Load>()
        },
        draws: never,
        check,
        sources,
        accelerated: never,
    }
}

fn outputs(settings: &Value) -> Vec<Output> {
    let (images, labels) = (
        Output::file("images", artifact::IMAGES),
        Output::file("labels", artifact::LABELS),
    );
    let features = Output::file("features", artifact::FEATURES);
    match typed::<Load>(settings).dataset {
        Source::Known(_) => vec![images, labels],
        Source::Folder { .. } => vec![images, Output::optional("labels", artifact::LABELS)],
        Source::Synthetic(_) => vec![features, labels],
        Source::Arrays { arrays } => {
            let data = if arrays.images.is_some() { images } else { features };
            let mut outputs = vec![data];
            outputs.extend(arrays.labels.map(|_| labels));
            outputs
        }
    }
}

fn check(settings: &Value, _: &Connected<'_>) -> Result<(), Unfit> {
    let load: Load = typed(settings);
    if let Err(error) = load.resize.map(Size::height_width).transpose() {
        return Err(error.to_string().into());
    }
    match &load.dataset {
        Source::Known(name) if !moelab_data::known::names().any(|known| known == name) => {
            let known: Vec<_> = moelab_data::known::names().collect();
            let near = words::nearest(name, known.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let known = format!("known: {}; or give {{folder: …}} or {{arrays: …}}", known.join(", "));
            Err(Unfit(vec![Misfit {
                path: vec!["dataset".into()],
                message: format!("is {}, which is no known data set", words::shorten(name)),
                hint: Some(hint.unwrap_or(known)),
                ..Misfit::default()
            }]))
        }
        Source::Arrays { arrays } if arrays.images.is_some() == arrays.features.is_some() => {
            Err("`arrays` wants exactly one of `images` and `features`".into())
        }
        _ => Ok(()),
    }
}

fn sources(settings: &Value, Folders { data, .. }: Folders<'_>) -> Result<Sources, String> {
    let load: Load = typed(settings);
    match load.source(data) {
        Source::Arrays { arrays } => {
            let given = [
                ("images", arrays.images),
                ("features", arrays.features),
                ("labels", arrays.labels),
            ];
            let given = given.into_iter().filter_map(|(role, path)| Some((role, path?)));
            given
                .map(|(role, path)| Ok((role.to_owned(), remembered(&path, "content", file_digest)?)))
                .collect()
        }
        Source::Folder { folder } => Ok([("folder".to_owned(), remembered(&folder, "tree", tree_digest)?)].into()),
        source => {
            let at = DataDir {
                dir: data.to_owned(),
                download: true,
            };
            let digests = moelab_data::source_digests(&source, load.split, &at).map_err(|e| e.to_string())?;
            digests
                .into_iter()
                .map(|(role, hex)| Ok((role, hex.parse().map_err(|e| format!("{e}"))?)))
                .collect()
        }
    }
}

/// The digest of a file, read only if it is new or has changed; the last one known, with a word, if it is gone.
fn remembered(path: &Path, how: &str, digest: fn(&Path) -> Result<String, DataError>) -> Result<Digest, String> {
    let hash = |_: &mut dyn io::Read| {
        let hex = digest(path).map_err(io::Error::other)?;
        hex.parse().map_err(io::Error::other)
    };
    current(path, digest_with(path, how, hash))
}

/// Settings without paths: what lies there enters the key as a digest.
fn keyed(settings: &Value) -> Value {
    let mut settings = settings.clone();
    match typed::<Load>(&settings).dataset {
        Source::Folder { .. } => settings["dataset"] = json!("folder"),
        Source::Arrays { arrays } => {
            let given = if arrays.images.is_some() { "images" } else { "features" };
            settings["dataset"] = json!({"arrays": given, "labels": arrays.labels.is_some()});
        }
        Source::Known(_) | Source::Synthetic(_) => {}
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: Value) -> Option<Unfit> {
        let complete = (stage().settings.normalise)(&settings).unwrap();
        (stage().check)(&complete, &Connected(vec![])).err()
    }

    #[test]
    fn a_side_is_at_least_one_pixel() {
        let refused = |resize: Value| {
            let refused = refusal(json!({"dataset": "digits", "resize": resize}));
            refused.map_or_else(String::new, |unfit| unfit.to_string())
        };
        assert_eq!(refused(json!(16)), "");
        assert_eq!(refused(json!([1, 8])), "");
        for wrong in [json!(0), json!([16, 0]), json!(9000)] {
            assert!(refused(wrong.clone()).contains("`resize`"), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point_or_an_exponent() {
        let complete = |settings: Value| (stage().settings.normalise)(&settings).unwrap();
        let arcs = |n: Value| json!({"dataset": {"arcs": {"n": n}}, "limit": n, "resize": 16.0, "classes": [0.0, 1]});
        assert_eq!(complete(arcs(json!(1e2))), complete(arcs(json!(100))));
        assert_eq!(complete(arcs(json!(1e2)))["classes"], json!([0, 1]));
    }

    #[test]
    fn an_unknown_set_is_told_at_its_name_with_the_nearest() {
        let Unfit(misfits) = refusal(json!({"dataset": "fashion_mnist"})).unwrap();
        assert_eq!(
            (&misfits[0].path[..], misfits[0].key),
            (&["dataset".to_owned()][..], false)
        );
        assert_eq!(misfits[0].hint.as_deref(), Some("did you mean `fashion-mnist`?"));
        let Unfit(misfits) = refusal(json!({"dataset": "x"})).unwrap();
        assert!(misfits[0].hint.as_deref().unwrap().starts_with("known: digits, mnist"));
    }
}
