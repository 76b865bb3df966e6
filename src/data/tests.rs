//! Tests of loading as a whole: sources, options and their order, digests.

use super::testing::{gzip, png, write, zip};
use super::*;

fn nowhere() -> DataDir {
    DataDir {
        dir: "nowhere".into(),
        download: false,
    }
}

fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [
        b"\x93NUMPY\x01\x00",
        &(text.len() as u16).to_le_bytes()[..],
        text.as_bytes(),
        body,
    ]
    .concat()
}

fn images(loaded: Loaded) -> Images {
    match loaded {
        Loaded::Images(i) => i,
        Loaded::Features(_) => panic!("images were asked for"),
    }
}

fn digits(options: Options) -> Result<Loaded, DataError> {
    load(&Source::Known("digits".into()), &options, &nowhere())
}

#[test]
fn a_source_is_read_as_specs_write_it() {
    let read = |text: &str| serde_json::from_str::<Source>(text).unwrap();
    assert_eq!(read(r#""mnist""#), Source::Known("mnist".into()));
    assert_eq!(read(r#"{"folder": "x"}"#), Source::Folder { folder: "x".into() });
    assert!(matches!(
        read(r#"{"arrays": {"images": "x.npy"}}"#),
        Source::Arrays { .. }
    ));
    assert!(matches!(
        read(r#"{"arcs": {"n": 10}}"#),
        Source::Synthetic(Synthetic::Arcs { .. })
    ));
}

#[test]
fn nothing_stands_beside_the_form_of_a_source() {
    for text in [
        r#"{"folder": "x", "split": "test"}"#,
        r#"{"arrays": {"images": "x.npy"}, "limit": 5}"#,
        r#"{"blobs": {"n": 10}, "limit": 5}"#,
        r#"{"folder": "x", "arrays": {"images": "x.npy"}}"#,
    ] {
        assert!(serde_json::from_str::<Source>(text).is_err(), "{text}");
    }
}

#[test]
fn the_order_is_classes_limit_resize_pad() {
    let options = Options {
        classes: Some(vec![Class::Label(3), Class::Name("7".into())]),
        limit: Some(20),
        resize: Some(Size::Square(16)),
        pad: Some(20),
        ..Options::default()
    };
    let out = images(digits(options).unwrap());
    assert_eq!((out.n, out.height, out.width, out.data.len()), (20, 20, 20, 20 * 400));
    assert!(out.labels.unwrap().values.iter().all(|l| [3, 7].contains(l)));
    assert!(out.data[..40].iter().all(|&v| v == 0), "the border is black");
}

#[test]
fn options_default_to_everything_unchanged() {
    assert_eq!(images(digits(Options::default()).unwrap()).n, 1797);
    assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
}

#[test]
fn arrays_of_images_and_labels_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let x = write(dir.path(), "x.npy", &npy("|u1", "2, 1, 2", &[1, 2, 3, 4]));
    let y = write(dir.path(), "y.npy", &npy("|u1", "2,", &[5, 6]));
    let packed = write(dir.path(), "x.npy.gz", &gzip(&std::fs::read(&x).unwrap()));
    let source = |x: &Path, y: &Path| Source::Arrays {
        arrays: Arrays {
            images: Some(x.into()),
            labels: Some(y.into()),
            features: None,
        },
    };
    let out = images(load(&source(&x, &y), &Options::default(), &nowhere()).unwrap());
    assert_eq!((out.n, out.name.as_str()), (2, "x"));
    assert_eq!(out.labels.unwrap().values, [5, 6]);
    let digests = |x: &Path| source_digests(&source(x, &y), Split::All, &nowhere()).unwrap();
    assert_eq!(digests(&x).keys().collect::<Vec<_>>(), ["images", "labels"]);
    assert_eq!(digests(&x), digests(&packed));
    assert_eq!(out.source_digest, content::combined(&digests(&x)));
    let short = write(dir.path(), "s.npy", &npy("|u1", "1,", &[5]));
    assert!(
        load(&source(&x, &short), &Options::default(), &nowhere())
            .unwrap_err()
            .to_string()
            .contains("1 labels for 2")
    );
}

#[test]
fn arrays_need_exactly_one_kind() {
    let none = Source::Arrays {
        arrays: Arrays::default(),
    };
    assert!(
        load(&none, &Options::default(), &nowhere())
            .unwrap_err()
            .to_string()
            .contains("exactly one")
    );
}

#[test]
fn features_have_no_size_and_no_split() {
    let blobs = Source::Synthetic(serde_json::from_str(r#"{"blobs": {"n": 10}}"#).unwrap());
    assert_eq!(load(&blobs, &Options::default(), &nowhere()).unwrap().len(), 10);
    assert!(source_digests(&blobs, Split::All, &nowhere()).unwrap().is_empty());
    let with = |options: Options| load(&blobs, &options, &nowhere()).unwrap_err().to_string();
    assert!(
        with(Options {
            pad: Some(9),
            ..Options::default()
        })
        .contains("not images")
    );
    assert!(
        with(Options {
            split: Split::Train,
            ..Options::default()
        })
        .contains("split: all")
    );
}

#[test]
fn a_folder_has_the_digest_its_images_carry() {
    let dir = tempfile::tempdir().unwrap();
    let folder = write(
        dir.path(),
        "set.zip",
        &zip(&[("a/1.png", png(1, 1, 1, &[1])), ("b/1.png", png(1, 1, 1, &[2]))]),
    );
    let source = Source::Folder { folder };
    let out = images(load(&source, &Options::default(), &nowhere()).unwrap());
    assert_eq!(
        source_digests(&source, Split::All, &nowhere()).unwrap()["folder"],
        out.source_digest
    );
}
