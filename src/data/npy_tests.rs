//! Tests of the `.npy` reader, on files of the true format made here.

use super::super::testing::{gzip, write};
use super::*;
use proptest::prelude::*;

fn npy(descr: &str, fortran: bool, shape: &str, body: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    let padded = format!("{text:<117}\n");
    [
        b"\x93NUMPY\x01\x00",
        &(padded.len() as u16).to_le_bytes()[..],
        padded.as_bytes(),
        body,
    ]
    .concat()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn why<T: std::fmt::Debug>(result: Result<T, DataError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn images_without_a_channel_axis_are_grey() {
    let part = images(&npy("|u1", false, "2, 1, 2", &[1, 2, 3, 4]), "x").unwrap();
    assert_eq!((part.n(), part.channels, part.height, part.width), (2, 1, 1, 2));
}

#[test]
fn a_last_axis_of_three_is_channels() {
    let part = images(&npy("|u1", false, "1, 1, 2, 3", &[1, 2, 3, 4, 5, 6]), "x").unwrap();
    assert_eq!((part.channels, part.height, part.width), (3, 1, 2));
    assert_eq!(part.data, [1, 4, 2, 5, 3, 6]);
}

#[test]
fn else_the_second_axis_is_channels() {
    let part = images(&npy("|u1", false, "1, 3, 1, 2", &[1, 2, 3, 4, 5, 6]), "x").unwrap();
    assert_eq!((part.channels, part.height, part.width), (3, 1, 2));
    assert_eq!(part.data, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn float_images_are_shares_of_white() {
    let part = images(&npy("<f4", false, "1, 1, 3", &f32s(&[0.0, 0.5, 1.0])), "x").unwrap();
    assert_eq!(part.data, [0, 128, 255]);
    assert!(why(images(&npy("<f4", false, "2, 1, 1", &f32s(&[0.0, 7.0])), "x")).contains("image 1 holds 7"));
    assert!(why(images(&npy("<f4", false, "1, 1, 1", &f32s(&[f32::NAN])), "x")).contains("NaN"));
}

#[test]
fn other_shapes_and_types_of_images_are_refused() {
    assert!(why(images(&npy("|u1", false, "4,", &[0; 4]), "x")).contains("holds no images"));
    assert!(why(images(&npy("|u1", false, "1, 2, 2, 2", &[0; 8]), "x")).contains("holds no images"));
    assert!(why(images(&npy("<i4", false, "1, 1, 1", &[0; 4]), "x")).contains("uint8"));
}

#[test]
fn fortran_order_is_put_right() {
    let c = features(&npy("<f4", false, "2, 3", &f32s(&[1., 2., 3., 4., 5., 6.])), "x").unwrap();
    let f = features(&npy("<f4", true, "2, 3", &f32s(&[1., 4., 2., 5., 3., 6.])), "x").unwrap();
    assert_eq!(c, f);
    let part = images(&npy("|u1", true, "2, 2, 2", &[0, 4, 2, 6, 1, 5, 3, 7]), "x").unwrap();
    assert_eq!(part.data, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn features_may_be_integers_and_big_endian() {
    let m = features(&npy(">i2", false, "1, 2", &[0, 1, 255, 255]), "x").unwrap();
    assert_eq!(m.data(), [1.0, -1.0]);
}

#[test]
fn nan_is_refused_with_row_and_column() {
    assert!(
        why(features(
            &npy("<f4", false, "2, 2", &f32s(&[0., 0., f32::NAN, 0.])),
            "x"
        ))
        .contains("row 1, column 0")
    );
    let huge = 1e300f64.to_le_bytes();
    assert!(why(features(&npy("<f8", false, "1, 1", &huge), "x")).contains("inf"));
}

#[test]
fn labels_are_integers_of_one_axis() {
    assert_eq!(
        labels(
            &npy(
                "<i8",
                false,
                "2,",
                &[3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]
            ),
            "x"
        )
        .unwrap(),
        [3, -1]
    );
    assert!(why(labels(&npy("<f4", false, "1,", &[0; 4]), "x")).contains("type"));
    assert!(why(labels(&npy("|u1", false, "1, 1", &[0]), "x")).contains("holds no labels"));
    assert!(same_length(3, 3, "x").is_ok());
    assert!(why(same_length(3, 2, "x")).contains("2 labels for 3 items"));
}

#[test]
fn a_file_is_read_to_the_end_that_its_header_announces_and_one_byte_on() {
    let dir = tempfile::tempdir().unwrap();
    for extra in [0, 1, 1 << 20] {
        let file = npy("|u1", false, "2, 1, 1", &vec![7; 2 + extra]);
        let bytes = read(&write(dir.path(), "x", &gzip(&file)), 1).unwrap();
        assert_eq!(images(&bytes, "x").is_ok(), extra == 0);
        assert!(
            bytes.len() <= (MAX_HEADER + 12).max(file.len() - extra + 1),
            "{}",
            bytes.len()
        );
    }
}

#[test]
fn a_shape_that_no_memory_holds_is_refused_with_the_figure() {
    let dir = tempfile::tempdir().unwrap();
    let said = |shape: &str| why(read(&write(dir.path(), "x", &npy("|u1", false, shape, &[1])), 2));
    let text = said("1000000, 8192, 8192");
    assert!(text.contains("need 268435.5 GB of memory"), "{text}");
    assert!(said("4611686018427387904, 3").contains("memory"));
    assert!(said("9223372036854775807, 9").contains("beyond any file"));
}

#[test]
fn images_without_pixels_and_no_images_at_all_are_refused() {
    for shape in ["0, 4, 4", "2, 0, 0", "2, 4, 0"] {
        assert!(
            why(images(&npy("|u1", false, shape, &[]), "x")).contains("is empty"),
            "{shape}"
        );
    }
}

#[test]
fn a_header_with_two_shapes_is_refused() {
    let file = npy("|u1", false, "1, 1, 1), 'shape': (2, 1, 1", &[1, 2]);
    assert!(why(images(&file, "x")).contains("names two shapes, [1, 1, 1] and [2, 1, 1]"));
}

#[test]
fn wrong_sizes_are_refused() {
    for (shape, bytes, part) in [
        ("3,", 2, "fewer bytes follow its header than it announces (3 for"),
        ("3,", 4, "more bytes follow its header than it announces (3 for"),
        ("0,", 0, "its shape [0] is empty or beyond any file"),
        ("", 1, "its shape [] is empty or beyond any file"),
        ("9999999999999999999999,", 1, "its shape holds `9999999999999999999999`"),
        ("4294967296, 4294967296", 1, "is empty or beyond any file"),
        ("-1,", 1, "its shape holds `-1`"),
    ] {
        let said = why(labels(&npy("|u1", false, shape, &vec![0; bytes]), "x"));
        assert!(said.contains(part), "{shape}: {said}");
    }
}

#[test]
fn objects_records_and_text_are_refused() {
    for (descr, bytes, part) in [
        ("|O", 8, "values of type '|O' are no data"),
        ("<U3", 12, "values of type '<U3' are no data"),
        ("|S4", 4, "values of type '|S4' are no data"),
        ("<c8", 8, "values of type '<c8' are no data"),
        ("|b1", 1, "values of type '|b1' are no data"),
        ("<f2", 2, "values of type '<f2' are no features"),
    ] {
        let said = why(features(&npy(descr, false, "1, 1", &vec![0; bytes]), "x"));
        assert!(said.contains(part), "{descr}: {said}");
    }
}

#[test]
fn what_is_no_npy_file_is_refused() {
    assert!(why(features(b"PK\x03\x04", "x")).contains(".npz"));
    assert!(why(features(b"hello", "x")).contains("no .npy"));
    assert!(why(features(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "x")).contains("header is cut"));
}

proptest! {
    #[test]
    fn no_header_makes_the_reader_panic(
        text in "[{}()\\[\\]',:a-z0-9<|_ ]{0,80}",
        body in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let bytes = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &body].concat();
        let _ = features(&bytes, "x");
        let _ = images(&bytes, "x");
        let _ = labels(&bytes, "x");
    }
}
