//! Tests of image folders and archives.

use super::super::testing::{gzip, png, tar, write, zip};
use super::*;

fn grey(v: u8) -> Vec<u8> {
    png(2, 3, 1, &[v; 6])
}

fn zipped(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "set.zip", &zip(files));
    (dir, path)
}

fn why(files: &[(&str, Vec<u8>)], split: Split) -> String {
    let (_dir, path) = zipped(files);
    load(&path, split, None).unwrap_err().to_string()
}

#[test]
fn class_folders_become_labels() {
    let (_dir, path) = zipped(&[("b/1.png", grey(3)), ("a/2.png", grey(2)), ("a/1.png", grey(1))]);
    let images = load(&path, Split::All, None).unwrap();
    assert_eq!((images.n, images.channels, images.height, images.width), (3, 1, 3, 2));
    assert_eq!([images.item(0)[0], images.item(1)[0], images.item(2)[0]], [1, 2, 3]);
    let labels = images.labels.unwrap();
    assert_eq!(
        (labels.values, labels.class_names),
        (vec![0, 0, 1], vec!["a".into(), "b".into()])
    );
}

#[test]
fn classes_that_are_numbers_are_ordered_as_numbers() {
    let (_dir, path) = zipped(&[("10/1.png", grey(3)), ("9/1.png", grey(2))]);
    assert_eq!(
        load(&path, Split::All, None).unwrap().labels.unwrap().class_names,
        ["9", "10"]
    );
}

#[test]
fn split_folders_are_chosen_and_all_is_train_then_test() {
    let files = [
        ("train/a/1.png", grey(1)),
        ("test/a/1.png", grey(2)),
        ("train/b/1.png", grey(3)),
    ];
    let (_dir, path) = zipped(&files);
    let firsts = |split| {
        let images = load(&path, split, None).unwrap();
        (0..images.n).map(|i| images.item(i)[0]).collect::<Vec<_>>()
    };
    assert_eq!(firsts(Split::Train), [1, 3]);
    assert_eq!(firsts(Split::Test), [2]);
    assert_eq!(firsts(Split::All), [1, 3, 2]);
}

#[test]
fn flat_folders_have_no_labels_and_no_splits() {
    let (_dir, path) = zipped(&[("1.png", grey(1)), ("2.png", grey(2))]);
    let images = load(&path, Split::All, None).unwrap();
    assert_eq!((images.n, images.labels), (2, None));
    assert!(
        load(&path, Split::Train, None)
            .unwrap_err()
            .to_string()
            .contains("`train` and `test`")
    );
}

#[test]
fn zip_tar_and_folder_give_the_same_images() {
    let files = [("a/1.png", grey(1)), ("b/2.png", grey(2)), ("b/Thumbs.db", vec![0])];
    let dir = tempfile::tempdir().unwrap();
    files
        .iter()
        .for_each(|(name, bytes)| drop(write(&dir.path().join("set"), name, bytes)));
    let plain = load(&dir.path().join("set"), Split::All, None).unwrap();
    for bytes in [zip(&files), gzip(&tar(&files))] {
        let other = load(&write(dir.path(), "set.any", &bytes), Split::All, None).unwrap();
        assert_eq!(
            Images {
                name: plain.name.clone(),
                ..other
            },
            plain
        );
    }
}

#[test]
fn mixed_sizes_are_refused_by_name_unless_resized() {
    let files = [
        ("a/1.png", grey(1)),
        ("a/2.png", grey(1)),
        ("b/3.png", png(4, 4, 1, &[9; 16])),
    ];
    let text = why(&files, Split::All);
    assert!(text.contains("a/1.png") || text.contains("`1.png`"), "{text}");
    assert!(text.contains("3.png` has 4 × 4"), "{text}");
    let (_dir, path) = zipped(&files);
    let images = load(&path, Split::All, Some(Size::Square(4))).unwrap();
    assert_eq!((images.n, images.height, images.width), (3, 4, 4));
}

#[test]
fn one_colour_image_makes_all_rgb() {
    let (_dir, path) = zipped(&[("1.png", png(1, 1, 1, &[7])), ("2.png", png(1, 1, 3, &[1, 2, 3]))]);
    let images = load(&path, Split::All, None).unwrap();
    assert_eq!((images.channels, &images.data[..]), (3, &[7, 7, 7, 1, 2, 3][..]));
}

#[test]
fn only_transparency_that_hides_nothing_is_accepted() {
    assert!(why(&[("1.png", png(1, 1, 4, &[1, 2, 3, 100]))], Split::All).contains("transparent"));
    let (_dir, path) = zipped(&[("1.png", png(1, 1, 4, &[1, 2, 3, 255]))]);
    assert_eq!(load(&path, Split::All, None).unwrap().data, [1, 2, 3]);
}

#[test]
fn files_that_are_no_images_are_named() {
    assert!(why(&[("a/1.png", grey(1)), ("a/notes.txt", b"hello".to_vec())], Split::All).contains("notes.txt"));
    assert!(why(&[("a/1.png", grey(1)[..40].to_vec())], Split::All).contains("1.png: cannot be decoded"));
}

/// A grey JPEG of one flat block: its tables have the single code `0`.
fn jpeg(height: u16, width: u16) -> Vec<u8> {
    let segment = |kind: u8, body: &[u8]| [&[0xff, kind, 0, body.len() as u8 + 2], body].concat();
    let (h, w) = (height.to_be_bytes(), width.to_be_bytes());
    let table = |kind: u8| [&[kind, 1][..], &[0; 16]].concat();
    [
        &[0xff, 0xd8][..],
        &segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        &segment(0xc0, &[8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0]),
        &segment(0xc4, &table(0x00)),
        &segment(0xc4, &table(0x10)),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        &[0x3f, 0xff, 0xd9],
    ]
    .concat()
}

#[test]
fn a_jpeg_is_read_and_one_that_says_it_is_huge_refused() {
    let picture = decode(&jpeg(2, 3), "x").unwrap();
    assert_eq!((picture.height_width(), picture.channels), ((2, 3), 1));
    assert!(picture.pixels.iter().all(|&p| p == 128), "{:?}", picture.pixels);
    assert!(decode(&jpeg(65535, 65535), "x").is_err());
    assert!(decode(&jpeg(0, 3), "x").is_err());
}

#[test]
fn a_huge_size_in_a_header_is_refused() {
    let mut bytes = png(1, 1, 1, &[7]);
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    assert!(why(&[("a/1.png", bytes)], Split::All).contains("cannot be decoded"));
}

#[test]
fn uneven_or_unknown_layouts_are_refused() {
    assert!(why(&[("1.png", grey(1)), ("a/2.png", grey(1))], Split::All).contains("different depths"));
    assert!(why(&[("x/a/1.png", grey(1)), ("y/a/1.png", grey(1))], Split::All).contains("neither CLASS/file"));
}
