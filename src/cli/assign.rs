//! `moelab assign`.

use crate::args::{Assign, Common};
use crate::exit::Exit;
use crate::model::Model;
use crate::say::say;
use moelab_results::export::{self, Table, TableForm};
use moelab_stages::artifact;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Assign) -> Result<ExitCode, Exit> {
    let form = match args.to.extension().and_then(|end| end.to_str()) {
        Some("csv") => TableForm::Csv,
        Some("parquet") => TableForm::Parquet,
        _ => {
            return Err(Exit::Usage(format!(
                "{}: end it with .csv or .parquet",
                args.to.display()
            )));
        }
    };
    let images = std::path::absolute(&args.images)?;
    if !images.exists() {
        return Err(Exit::Usage(format!("there is nothing at {}", images.display())));
    }
    // Names of files mean something to the user; rows of an array are their own names.
    let array = is_array(&images);
    let dataset = match array {
        true => json!({"arrays": {"images": images}}),
        false => json!({"folder": images}),
    };
    let wanted = [artifact::MODEL, artifact::MANAGER];
    let mut model = Model::open(common, &args.of, &args.on, &common.data, &wanted)?;
    let loaded = model.load(dataset)?;
    let made = model.apply("assign", json!({}), None, Some(loaded))?;
    let names = match array {
        true => None,
        false => Some(moelab_data::image_folder::names(&images).map_err(|e| Exit::Usage(e.to_string()))?),
    };
    let table = Table::assigned(&model.path(&made, "assignments"), names)?;
    export::write(&args.to, &table.bytes(form)?)?;
    say!("{} images assigned, in {}", table.rows(), args.to.display());
    Ok(ExitCode::SUCCESS)
}

fn is_array(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file()
        && [".npy", ".npy.gz", ".npy.bz2", ".npy.xz"]
            .iter()
            .any(|end| name.ends_with(end))
}
