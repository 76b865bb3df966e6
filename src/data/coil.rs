//! COIL-20: 20 objects seen from 72 sides, a zip of PNG files `obj<k>__<i>.png`; the label is k − 1.

use super::error::DataError;
use super::images::Part;
use super::known::{fetch_any, verify};
use super::registry::KnownSet;
use super::{DataDir, Split, archive, image_folder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn class_names() -> Vec<String> {
    (1..=20).map(|k| format!("obj{k}")).collect()
}

/// Images and digest by role, in the order of (k, i).
pub(super) fn load(set: &'static KnownSet, at: &DataDir) -> Result<(Part, BTreeMap<String, String>), DataError> {
    let file = &set.files[0];
    let path = match find(set, at) {
        Some(path) => path,
        None => {
            let target = at.dir.join(set.folders[0]).join(file.remote);
            let check = |path: &Path| verify(set, file, path, &archive::tree_digest(path)?);
            fetch_any(set, file.remote, &target, Split::All, at, &check)?;
            target
        }
    };
    let tree = archive::read(&path, &mut |name, bytes| {
        image_folder::decode(&bytes, &format!("{}: {name}", path.display()))
    })?;
    verify(set, file, &path, &tree.digest)?;
    let mut order: Vec<((i64, i64), &str)> = Vec::new();
    for name in tree.files.keys() {
        let place = || {
            DataError::format(
                path.display(),
                format!("`{name}` is not called obj<k>__<i>.png"),
                "fetch it again",
            )
        };
        order.push((parse(name).ok_or_else(place)?, name));
    }
    order.sort_unstable();
    let names: Vec<&str> = order.iter().map(|o| o.1).collect();
    let pictures: Vec<_> = names.iter().map(|n| &tree.files[*n]).collect();
    let (channels, data) = image_folder::planes(&pictures, &names, &path)?;
    let (height, width) = pictures[0].height_width();
    let labels = order.iter().map(|o| o.0.0 - 1).collect();
    let digests = BTreeMap::from([(file.role.to_owned(), tree.digest)]);
    Ok((
        Part {
            channels,
            height,
            width,
            data,
            labels: Some(labels),
        },
        digests,
    ))
}

pub(super) fn find(set: &KnownSet, at: &DataDir) -> Option<PathBuf> {
    let folders = || set.folders.iter().map(|f| at.dir.join(f));
    let packed = folders()
        .chain([at.dir.clone()])
        .flat_map(|f| set.files[0].names.iter().map(move |n| f.join(n)))
        .find(|p| p.exists());
    packed.or_else(|| folders().find(|f| f.join("obj1__0.png").is_file()))
}

fn parse(name: &str) -> Option<(i64, i64)> {
    let (k, i) = name.strip_prefix("obj")?.strip_suffix(".png")?.split_once("__")?;
    let k = k.parse().ok().filter(|k| (1..=20).contains(k))?;
    Some((k, i.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_object_and_view() {
        assert_eq!(parse("obj20__71.png"), Some((20, 71)));
        for bad in ["obj21__0.png", "obj1_0.png", "obj1__x.png", "x.png"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
