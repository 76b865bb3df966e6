//! Tests of the known sets: small or made-up files always, the real ones where this machine has them.

use super::super::image_folder;
use super::super::testing::{bzip2, gzip, real_sets, tar, write};
use super::*;

fn at(dir: &Path) -> DataDir {
    DataDir {
        dir: dir.to_owned(),
        download: false,
    }
}

fn why(name: &str, split: Split, dir: &Path) -> String {
    load(name, split, &at(dir)).unwrap_err().to_string()
}

fn usps_text(items: usize) -> Vec<u8> {
    (0..items)
        .flat_map(|i| format!("{} 1:0.5 256:-1\n", i % 10 + 1).into_bytes())
        .collect()
}

fn counts(images: &Images) -> Vec<usize> {
    let labels = images.labels.as_ref().unwrap();
    (0..labels.class_names.len())
        .map(|c| labels.values.iter().filter(|&&l| l == c as i64).count())
        .collect()
}

#[test]
fn digits_need_no_file() {
    let images = load("digits", Split::All, &at(Path::new("nowhere"))).unwrap();
    assert_eq!((images.n, images.height), (1797, 8));
    assert_eq!(images.source_digest, digits::DIGEST);
}

#[test]
fn unknown_sets_and_splits_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(why("imagenet", Split::All, dir.path()).contains("mnist, fashion-mnist"));
    assert!(why("digits", Split::Train, dir.path()).contains("split: all"));
}

#[test]
fn a_missing_set_says_which_files_go_where() {
    let dir = tempfile::tempdir().unwrap();
    let text = why("mnist", Split::Test, dir.path());
    for part in [
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        "https://ossci",
        &dir.path().join("mnist").display().to_string(),
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("train-images"), "{text}");
    for name in names().filter(|n| *n != "digits") {
        assert!(
            why(name, Split::All, dir.path()).contains(&format!("`{name}` is not complete")),
            "{name}"
        );
    }
}

#[test]
fn a_file_with_the_wrong_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "mnist/t10k-images.idx3-ubyte.gz", &gzip(b"not it"));
    let text = why("mnist", Split::Test, dir.path());
    assert!(
        text.contains("0fa7898d") && text.contains(&content::sha256(b"not it")),
        "{text}"
    );
}

#[test]
fn pins_need_no_files_and_follow_the_split() {
    let test = source_digests("mnist", Split::Test).unwrap();
    assert_eq!(test.keys().collect::<Vec<_>>(), ["test_images", "test_labels"]);
    assert_eq!(source_digests("mnist", Split::All).unwrap().len(), 4);
    assert_eq!(source_digests("cifar10", Split::All), None);
    assert_eq!(source_digests("coil20", Split::Train), None);
    assert_eq!(source_digests("nothing", Split::All), None);
}

#[test]
fn every_pin_is_a_sha256_and_no_two_files_share_one() {
    let mut pins: Vec<&str> = SETS.iter().flat_map(|s| s.files).filter_map(|f| f.digest).collect();
    assert!(
        pins.iter()
            .all(|p| p.len() == 64 && p.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
    );
    let n = pins.len();
    pins.sort_unstable();
    pins.dedup();
    assert_eq!(pins.len(), n);
}

#[test]
fn smoothed_usps_is_read_and_its_size_checked() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "usps-smoothed/usps.t.bz2", &bzip2(&usps_text(2007)));
    let images = load("usps-smoothed", Split::Test, &at(dir.path())).unwrap();
    assert_eq!((images.n, images.height), (2007, 16));
    let digests = local_digests("usps-smoothed", Split::Test, &at(dir.path())).unwrap();
    assert_eq!(digests["test"], content::sha256(&usps_text(2007)));
    write(dir.path(), "usps-smoothed/usps.t.bz2", &bzip2(&usps_text(5)));
    assert!(why("usps-smoothed", Split::Test, dir.path()).contains("holds 5 images"));
}

#[test]
fn a_file_that_cannot_be_read_hides_no_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let whole = bzip2(&usps_text(2007));
    write(dir.path(), "usps-smoothed/usps.t.bz2", &whole[..whole.len() / 2]);
    assert!(why("usps-smoothed", Split::Test, dir.path()).contains("usps.t.bz2"));
    write(dir.path(), "usps_smoothed/usps.t.bz2", &whole);
    assert_eq!(load("usps-smoothed", Split::Test, &at(dir.path())).unwrap().n, 2007);
}

#[test]
fn present_is_what_loading_would_take() {
    let dir = tempfile::tempdir().unwrap();
    let there = || -> Vec<&str> { names().filter(|name| present(name, &at(dir.path()))).collect() };
    std::fs::create_dir(dir.path().join("coil20")).unwrap();
    write(dir.path(), "cifar10/test_batch.bin", b"");
    assert_eq!(there(), ["digits"], "neither an empty folder nor a part of a set");
    write(dir.path(), "cifar-10-binary.tar.gz", b"");
    write(dir.path(), "cifar100/cifar-100-binary.tar", b"");
    write(dir.path(), "coil-20-proc.zip", b"");
    assert_eq!(there(), ["digits", "cifar10", "coil20", "cifar100-20"]);
}

#[test]
fn cifar_is_the_same_from_files_and_from_the_archive() {
    let batch = cifar::tests::records(&[1, 9, 0, 5].repeat(2500));
    let files = tempfile::tempdir().unwrap();
    write(files.path(), "cifar10/test_batch.bin", &batch);
    let packed = tempfile::tempdir().unwrap();
    write(
        packed.path(),
        "cifar-10-binary.tar.gz",
        &gzip(&tar(&[("cifar-10-batches-bin/test_batch.bin", batch)])),
    );
    let a = load("cifar10", Split::Test, &at(files.path())).unwrap();
    assert_eq!((a.n, a.channels, counts(&a)[9]), (10_000, 3, 2500));
    assert_eq!(a, load("cifar10", Split::Test, &at(packed.path())).unwrap());
    assert!(why("cifar10", Split::All, packed.path()).contains("data_batch_1.bin: is not in the archive"));
}

#[test]
fn cifar_100_by_superclass_is_the_same_from_files_and_from_the_archive() {
    let records = cifar::tests::fine_records(&[[0, 99], [19, 0]].repeat(5000));
    let files = tempfile::tempdir().unwrap();
    write(files.path(), "cifar100/test.bin", &records);
    let packed = tempfile::tempdir().unwrap();
    let archive = tar(&[("cifar-100-binary/test.bin", records)]);
    write(packed.path(), "cifar-100-binary.tar", &archive);
    let a = load("cifar100-20", Split::Test, &at(files.path())).unwrap();
    assert_eq!((a.n, a.channels, counts(&a)[19]), (10_000, 3, 5000));
    assert_eq!(a, load("cifar100-20", Split::Test, &at(packed.path())).unwrap());
}

#[test]
fn stl_of_another_number_of_images_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "stl10/stl10_binary/train_X.bin", &vec![0; 2 * 27_648]);
    write(dir.path(), "stl10/stl10_binary/train_y.bin", &[1, 2]);
    assert!(why("stl10", Split::Train, dir.path()).contains("holds 2 images where `train_images` has 5000"));
}

#[test]
fn svhn_of_other_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "svhn/test_32x32.mat", b"not it");
    assert!(why("svhn", Split::Test, dir.path()).contains("cdce80df"));
}

#[test]
fn a_batch_that_stands_twice_in_the_archive_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["x/data_batch_1.bin", "y/data_batch_1.bin"].map(|name| (name, vec![0; 3073]));
    write(dir.path(), "cifar-10-binary.tar", &tar(&files));
    assert!(why("cifar10", Split::Train, dir.path()).contains("two files called `data_batch_1.bin`"));
}

#[test]
fn coil_of_other_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "coil20/obj1__0.png",
        &super::super::testing::png(1, 1, 1, &[0]),
    );
    assert!(why("coil20", Split::All, dir.path()).contains("SHA-256"));
}

#[test]
fn real_mnist_and_fashion() {
    let Some(dir) = real_sets(&["mnist", "fashion-mnist"]) else {
        return;
    };
    for name in ["mnist", "fashion-mnist"] {
        let all = load(name, Split::All, &at(&dir)).unwrap();
        assert_eq!((all.n, all.channels, all.height, all.width), (70_000, 1, 28, 28));
        let test = load(name, Split::Test, &at(&dir)).unwrap();
        assert_eq!((test.n, test.item(0)), (10_000, all.item(60_000)));
        assert_eq!(
            local_digests(name, Split::All, &at(&dir)).unwrap(),
            source_digests(name, Split::All).unwrap()
        );
    }
    assert_eq!(
        counts(&load("mnist", Split::Train, &at(&dir)).unwrap())[..3],
        [5923, 6742, 5958]
    );
}

#[test]
fn real_files_of_another_set_are_named() {
    let Some(dir) = real_sets(&["fashion-mnist"]) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let wrong = std::fs::read(dir.join("fashion-mnist/t10k-images-idx3-ubyte.gz")).unwrap();
    write(place.path(), "mnist/t10k-images-idx3-ubyte.gz", &wrong);
    assert!(why("mnist", Split::Test, place.path()).contains("`test_images` of `fashion-mnist`"));
}

#[test]
fn real_sets_that_share_a_folder_are_told_apart() {
    let Some(dir) = real_sets(&["mnist", "fashion-mnist"]) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    for (from, to) in [("fashion-mnist", ""), ("mnist", "MNIST/raw/")] {
        for file in ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"] {
            write(
                place.path(),
                &format!("{to}{file}"),
                &std::fs::read(dir.join(from).join(file)).unwrap(),
            );
        }
    }
    for name in ["mnist", "fashion-mnist"] {
        assert_eq!(load(name, Split::Test, &at(place.path())).unwrap().n, 10_000, "{name}");
    }
}

#[test]
fn real_usps_is_raw_and_refused_as_smoothed() {
    let Some(dir) = real_sets(&["usps"]) else { return };
    let all = load("usps", Split::All, &at(&dir)).unwrap();
    assert_eq!((all.n, all.height), (9298, 16));
    assert_eq!(counts(&all)[..2], [1553, 1269]);
    assert!(why("usps-smoothed", Split::Train, &dir).contains("`train` of `usps`"));
}

#[test]
fn real_coil() {
    let Some(dir) = real_sets(&["coil20"]) else { return };
    let images = load("coil20", Split::All, &at(&dir)).unwrap();
    assert_eq!(
        (images.n, images.channels, images.height, images.width),
        (1440, 1, 128, 128)
    );
    assert_eq!(counts(&images), [72; 20]);
    assert_eq!(
        images.source_digest,
        source_digests("coil20", Split::All).unwrap()["images"]
    );
}

#[test]
fn real_cifar_jpeg_is_an_archive_like_any_other() {
    let Some(dir) = real_sets(&["cifar10"]) else { return };
    let path = dir.join("cifar10/cifar10-jpeg.tar.xz");
    if !path.is_file() {
        return eprintln!("skipped: no cifar10-jpeg.tar.xz");
    }
    let test = image_folder::load(&path, Split::Test, None).unwrap();
    assert_eq!((test.n, test.channels, test.height), (10_000, 3, 32));
    assert_eq!(counts(&test), [1000; 10]);
    assert_eq!(test.labels.unwrap().class_names, cifar::CLASSES);
    assert_eq!(test.source_digest, archive::tree_digest(&path).unwrap());
}
