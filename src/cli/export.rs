//! `moelab export`.

use crate::args::{Common, Export, ExportForm, One};
use crate::exit::Exit;
use crate::say::say;
use crate::setup::{Setup, store_if_any};
use crate::show;
use moelab_engine::run::{Question, plan_status};
use moelab_engine::store::{Presence, StoredOutput};
use moelab_results::export::{self, Finished, Form};
use moelab_stages::artifact;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Export) -> Result<ExitCode, Exit> {
    match (args.form, &args.stage) {
        (Some(ExportForm::Tensorboard | ExportForm::Mlflow), Some(stage)) => Err(Exit::Usage(format!(
            "TensorBoard and MLflow get the whole experiment: leave `{stage}` out"
        ))),
        (Some(ExportForm::Tensorboard | ExportForm::Mlflow), None) => whole(common, args),
        (form, Some(stage)) => one(common, args, stage, form.and_then(ExportForm::single)),
        (_, None) => {
            let setup = Setup::load(&args.experiment)?;
            let what = "name a stage whose artifact is wanted, or --as tensorboard or mlflow for the whole experiment";
            let stages = &setup.experiment.pipeline.stages;
            let stages: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
            Err(Exit::Usage(format!("{what}; the stages are {}", stages.join(", "))))
        }
    }
}

fn whole(common: &Common, args: &Export) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let nothing = || {
        Exit::Usage(format!(
            "nothing of `{0}` has run yet: `moelab run {0}`",
            setup.experiment.name
        ))
    };
    let store = store_if_any(&common.store)?.ok_or_else(nothing)?;
    let data = std::path::absolute(&common.data)?;
    let status = plan_status(&setup.plan, &setup.registry, Some(&store), &data, Question::default());
    let finished = Finished::of(&setup.experiment.name, &setup.plan, &store, &status);
    if finished.is_empty() {
        return Err(nothing());
    }
    let to = args.to.display();
    match args.form {
        Some(ExportForm::Mlflow) => {
            let runs = export::mlflow(&finished, &args.to)?;
            say!(
                "{runs} runs in {to}; look at them with: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {to}"
            );
        }
        _ => {
            let actions = export::tensorboard(&finished, &args.to)?;
            say!("{actions} actions in {to}; look at them with: tensorboard --logdir {to}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn one(common: &Common, args: &Export, stage: &str, form: Option<Form>) -> Result<ExitCode, Exit> {
    let (name, wanted) = match stage.split_once('.') {
        Some((name, output)) => (name, Some(output)),
        None => (stage, None),
    };
    let form = match form {
        Some(form) => form,
        None => by_ending(args)?,
    };
    let of = One {
        experiment: args.experiment.clone(),
        stage: name.to_owned(),
        seed: args.seed,
        conditions: args.conditions.clone(),
    };
    let (store, manifest) = show::find(common, &of)?;
    let known: Vec<String> = manifest
        .outputs
        .keys()
        .map(|output| format!("{name}.{output}"))
        .collect();
    let fits = |(output, stored): &(&String, &StoredOutput)| match wanted {
        Some(wanted) => *output == wanted,
        // A model is what is meant by safetensors where there is one.
        None => Form::of(&stored.artifact).contains(&form),
    };
    let mut found: Vec<(&String, &StoredOutput)> = manifest.outputs.iter().filter(fits).collect();
    if let Some(model) = found.iter().position(|(_, stored)| stored.artifact == artifact::MODEL) {
        found = vec![found[model]];
    }
    let (output, stored) = match found[..] {
        [one] => one,
        [] => {
            let what = format!("`{stage}` leaves nothing that can be written as {}", form.name());
            return Err(Exit::Usage(format!("{what}; it has {}", known.join(", "))));
        }
        [..] => {
            let names: Vec<String> = found.iter().map(|(output, _)| format!("{name}.{output}")).collect();
            let what = format!("`{stage}` has several outputs that can be written as {}", form.name());
            return Err(Exit::Usage(format!("{what}: say {}", names.join(" or "))));
        }
    };
    let forms = Form::of(&stored.artifact);
    if !forms.contains(&form) {
        let forms: Vec<&str> = forms.iter().map(|form| form.name()).collect();
        let what = format!(
            "`{name}.{output}` holds {}, which can be written as {}",
            stored.artifact,
            forms.join(" or ")
        );
        return Err(Exit::Usage(what));
    }
    if stored.state == Presence::Evicted {
        let what = format!("the bytes of `{name}.{output}` are gone from the store; `moelab run --force {name}` makes");
        return Err(Exit::Usage(format!("{what} them again")));
    }
    export::write(
        &args.to,
        &export::artifact(&store.verified_path(&stored.digest)?, form)?,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The format that the name of the file asks for.
fn by_ending(args: &Export) -> Result<Form, Exit> {
    let ending = args.to.extension().unwrap_or_default().to_string_lossy();
    let form = Form::ALL.into_iter().find(|form| form.name() == ending);
    form.ok_or_else(|| {
        let all: Vec<String> = Form::ALL.iter().map(|form| format!(".{}", form.name())).collect();
        Exit::Usage(format!(
            "{} does not say a format: end it with {}",
            args.to.display(),
            all.join(", ")
        ))
    })
}
