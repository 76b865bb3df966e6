//! Where spec files lie.

use super::report::Problem;
use super::words;
use std::path::{Path, PathBuf};

const EXPERIMENTS: &str = "experiments";
const PIPELINES: &str = "pipelines";

/// The file of an experiment given as a path or a name. A name means `experiments/NAME.yaml` of `from` or the nearest
/// parent that has it.
pub fn experiment(given: &Path, from: &Path) -> Result<PathBuf, Box<Problem>> {
    if given.is_file() {
        return Ok(given.to_owned());
    }
    let beside = from.join(given);
    if beside.is_file() {
        return Ok(beside);
    }
    let bare = given.components().count() == 1;
    let name = given.to_string_lossy();
    if bare {
        let file = if given
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
        {
            name.to_string()
        } else {
            format!("{name}.yaml")
        };
        let found = folders(from, EXPERIMENTS)
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file());
        if let Some(path) = found {
            return Ok(shortened(path));
        }
    }
    if given.is_dir() {
        return Err(Box::new(
            Problem::of_file(given, "this is a folder").hint("name an experiment file"),
        ));
    }
    let known = experiments(from);
    let stem = given
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let hint = words::suggest(&stem, known.iter().map(String::as_str))
        .unwrap_or_else(|| format!("no folder `{EXPERIMENTS}` with experiments was found here or above"));
    Err(Box::new(
        Problem::of_file(given, "there is no such experiment").hint(hint),
    ))
}

/// Names of the experiments of the nearest folder `experiments` in `from` and its parents, sorted.
pub fn experiments(from: &Path) -> Vec<String> {
    let found = folders(from, EXPERIMENTS).map(|folder| names(&folder));
    found.into_iter().find(|names| !names.is_empty()).unwrap_or_default()
}

/// The folder of the project that `from` lies in: the nearest one, it or a parent, with a folder `experiments`.
pub fn project(from: &Path) -> Option<PathBuf> {
    folders(from, EXPERIMENTS).next()?.parent().map(Path::to_owned)
}

/// `pipelines/NAME.yaml` of the nearest parent folder of the experiment that holds `pipelines/`. The error is the
/// message and a hint.
pub fn pipeline(name: &str, experiment: &Path) -> Result<PathBuf, (String, Option<String>)> {
    let parent = experiment.parent().unwrap_or(Path::new(""));
    let Some(folder) = folders(parent, PIPELINES).next() else {
        let message = format!("no folder above this file holds `{PIPELINES}/`");
        return Err((message, Some(format!("pipelines live in `{PIPELINES}/NAME.yaml`"))));
    };
    let file = folder.join(format!("{name}.yaml"));
    if file.is_file() {
        return Ok(shortened(file));
    }
    let known = names(&folder);
    let hint = words::suggest(name, known.iter().map(String::as_str));
    Err((
        format!("there is no pipeline `{name}` in {}", shortened(folder).display()),
        hint,
    ))
}

/// The folders called `name` in `from` and its parents, nearest first.
fn folders(from: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let absolute = std::path::absolute(if from.as_os_str().is_empty() {
        Path::new(".")
    } else {
        from
    });
    let absolute = absolute.unwrap_or_else(|_| from.to_owned());
    let above: Vec<PathBuf> = absolute
        .ancestors()
        .map(|folder| folder.join(name))
        .filter(|path| path.is_dir())
        .collect();
    above.into_iter()
}

/// Relative to the current folder where it lies below that: what people recognise in a message.
fn shortened(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok())
        .unwrap_or(path)
}

/// What a name alone finds.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lab() -> tempfile::TempDir {
        let lab = tempfile::tempdir().unwrap();
        fs::create_dir_all(lab.path().join("experiments/deep")).unwrap();
        fs::create_dir_all(lab.path().join("pipelines")).unwrap();
        fs::write(lab.path().join("experiments/quickstart.yaml"), "").unwrap();
        fs::write(lab.path().join("pipelines/moe.yaml"), "").unwrap();
        lab
    }

    #[test]
    fn an_experiment_is_found_by_name_from_below() {
        let lab = lab();
        for given in ["quickstart", "quickstart.yaml"] {
            let found = experiment(Path::new(given), &lab.path().join("experiments/deep")).unwrap();
            assert!(found.ends_with("experiments/quickstart.yaml"));
        }
        assert!(experiment(Path::new("experiments/quickstart.yaml"), lab.path()).is_ok());
    }

    #[test]
    fn a_folder_of_its_name_does_not_hide_an_experiment() {
        let lab = lab();
        // Tests run in the folder of their crate, where `spec` is a folder.
        assert!(Path::new("spec").is_dir());
        fs::write(lab.path().join("experiments/spec.yaml"), "").unwrap();
        assert!(experiment(Path::new("spec"), lab.path()).is_ok());
    }

    #[test]
    fn a_missing_experiment_gives_near_names() {
        let lab = lab();
        let near = experiment(Path::new("quikstart"), lab.path()).unwrap_err();
        assert_eq!(near.hint.as_deref(), Some("did you mean `quickstart`?"));
        let far = experiment(Path::new("experiments/zzz.yaml"), lab.path()).unwrap_err();
        assert_eq!(far.hint.as_deref(), Some("known: quickstart"));
        let none = experiment(Path::new("x"), tempfile::tempdir().unwrap().path()).unwrap_err();
        assert!(none.hint.unwrap().contains("no folder `experiments`"));
        assert!(
            experiment(lab.path(), lab.path())
                .unwrap_err()
                .message
                .contains("folder")
        );
    }

    #[test]
    fn no_name_is_offered_that_would_not_be_found() {
        let lab = lab();
        let other = lab.path().join("experiments/other.yml");
        fs::write(&other, "").unwrap();
        assert_eq!(experiments(lab.path()), ["quickstart"]);
        assert!(experiment(Path::new("other"), lab.path()).is_err());
        assert!(experiment(Path::new("other.yml"), lab.path()).is_ok());
        assert!(experiment(&other, lab.path()).is_ok(), "a path may end as it likes");
    }

    #[test]
    fn a_project_is_where_the_nearest_experiments_are() {
        let lab = lab();
        let root = lab.path().to_owned();
        assert_eq!(project(&root), Some(root.clone()));
        assert_eq!(project(&root.join("experiments/deep")), Some(root));
        assert_eq!(project(tempfile::tempdir().unwrap().path()), None);
    }

    #[test]
    fn a_pipeline_is_found_above_its_experiment() {
        let lab = lab();
        let below = lab.path().join("experiments/deep/x.yaml");
        assert!(pipeline("moe", &below).unwrap().ends_with("pipelines/moe.yaml"));
        assert_eq!(
            pipeline("mow", &below).unwrap_err().1.as_deref(),
            Some("did you mean `moe`?")
        );
    }

    #[test]
    fn without_a_pipelines_folder_that_is_said() {
        let empty = tempfile::tempdir().unwrap();
        assert!(
            pipeline("moe", &empty.path().join("x.yaml"))
                .unwrap_err()
                .0
                .contains("no folder above")
        );
    }
}
