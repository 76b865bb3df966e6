//! The readers as cargo-fuzz calls them (`fuzz/`): any bytes may be refused, none may panic or give a wrong shape.
//! Compiled with `--cfg fuzzing` alone.

use super::images::{Images, Part};
use super::transform::Size;
use super::{DataError, Split, cifar, content, digits, idx, image_folder, libsvm, matlab, npy, stl, svhn};
use std::path::PathBuf;

/// Packed content is unpacked up to this many bytes.
const CAP: u64 = 1 << 20;

pub fn npy(bytes: &[u8]) {
    whole(npy::images(bytes, "x"));
    if let Ok(matrix) = npy::features(bytes, "x") {
        assert_eq!(matrix.data().len(), matrix.rows() * matrix.cols());
        assert_eq!(matrix.first_not_finite(), None);
    }
    let _ = npy::labels(bytes, "x");
}

pub fn idx(bytes: &[u8]) {
    whole(idx::images(bytes, "x"));
    if let Ok(labels) = idx::labels(bytes, 10, "x") {
        assert!(labels.iter().all(|label| (0..10).contains(label)));
    }
}

pub fn libsvm(bytes: &[u8]) {
    whole(libsvm::usps(bytes, "x"));
}

pub fn cifar(bytes: &[u8]) {
    whole(cifar::batch(bytes, "x"));
    whole(cifar::superclasses(bytes, "x"));
}

/// The first byte says how many labels lead; the rest are images.
pub fn stl(bytes: &[u8]) {
    let (&[labels], rest) = bytes.split_first_chunk().unwrap_or((&[0], &[]));
    let (labels, images) = rest.split_at((labels as usize).min(rest.len()));
    whole(stl::labelled(images, labels, ["x", "y"]));
}

pub fn matlab(bytes: &[u8]) {
    let _ = matlab::arrays(bytes, "x");
    whole(svhn::digits(bytes, "x"));
}

pub fn digits(bytes: &[u8]) {
    whole(digits::parse(bytes, "x"));
}

pub fn image(bytes: &[u8]) {
    let _ = image_folder::decode(bytes, "x");
}

/// Gzip, bzip2 and xz.
pub fn packed(bytes: &[u8]) {
    if let Ok(content) = content::read_at_most(&file(bytes), CAP) {
        assert!(content.len() as u64 <= CAP);
    }
}

/// A tar or zip archive of images, as it is and brought to one size.
pub fn image_folder(bytes: &[u8]) {
    let path = file(bytes);
    for resize in [None, Some(Size::HeightWidth(3, 2))] {
        if let Ok(Images {
            n,
            channels,
            height,
            width,
            data,
            labels,
            ..
        }) = image_folder::load(&path, Split::All, resize)
        {
            assert_eq!(data.len(), n * channels * height * width);
            assert!(labels.is_none_or(|l| l.values.iter().all(|v| l.class_names.get(*v as usize).is_some())));
        }
    }
}

fn whole(read: Result<Part, DataError>) {
    if let Ok(part) = read {
        assert_eq!(part.data.len(), part.n() * part.channels * part.height * part.width);
        assert!(
            part.n() > 0
                && part
                    .labels
                    .is_none_or(|labels| labels.len() * part.height * part.width * part.channels == part.data.len())
        );
    }
}

/// One file for each process, written anew: these readers open paths.
fn file(bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("moelab-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary folder takes a file");
    path
}
