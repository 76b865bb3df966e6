//! `moelab generate` and `moelab walk`: images out of a trained model.

use crate::args::{Common, Generate, Walk};
use crate::exit::Exit;
use crate::model::Model;
use moelab_engine::key::action_seed;
use moelab_engine::store::Manifest;
use moelab_results::export;
use moelab_stages::artifact;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Generate) -> Result<ExitCode, Exit> {
    let form = Form::of(&args.to)?;
    let mut model = Model::open(common, &args.of, &args.on, &common.data, &[artifact::MODEL])?;
    let images = model.images()?;
    let settings = json!({"cluster": args.cluster, "count": args.count});
    let seed = action_seed(args.of.seed.unwrap_or(0), "generate", args.stream);
    let made = model.apply("generate", settings, Some(seed), images)?;
    form.save(&model, &made, &args.to)
}

pub fn walk(common: &Common, args: &Walk) -> Result<ExitCode, Exit> {
    let form = Form::of(&args.to)?;
    let mut model = Model::open(common, &args.of, &args.on, &common.data, &[artifact::MODEL])?;
    let Some(images) = model.images()? else {
        return Err(Exit::Usage(format!(
            "the images that `{}` was trained on, whose codes say how far to walk, are not in the store: run their \
             `load` stage again with `moelab run --only` and `--force`",
            args.of.stage
        )));
    };
    let mut settings = json!({"cluster": args.cluster, "steps": args.steps, "reach": args.reach});
    if let Some(dim) = args.dim {
        settings["dim"] = json!(dim);
    }
    let made = model.apply("walk", settings, None, Some(images))?;
    form.save(&model, &made, &args.to)
}

/// What images are written as.
#[derive(Clone, Copy)]
enum Form {
    Png,
    Npy,
}

impl Form {
    fn of(to: &Path) -> Result<Self, Exit> {
        match to.extension().and_then(|end| end.to_str()) {
            Some("png") => Ok(Self::Png),
            Some("npy") => Ok(Self::Npy),
            _ => Err(Exit::Usage(format!("{}: end it with .png or .npy", to.display()))),
        }
    }

    fn save(self, model: &Model, made: &Manifest, to: &Path) -> Result<ExitCode, Exit> {
        let bytes = match self {
            Self::Png => std::fs::read(model.path(made, "picture"))?,
            Self::Npy => export::npy(&model.path(made, "images"), Some("images"))?,
        };
        export::write(to, &bytes)?;
        Ok(ExitCode::SUCCESS)
    }
}
