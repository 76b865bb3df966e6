//! Tests of folders and archives, most of them of archives made to harm.

use super::super::testing::{bzip2, gzip, tar, write, xz, zip};
use super::*;

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("set/b/2.png", vec![2]),
        ("set/a/1.png", vec![1; 700]),
        ("set/.DS_Store", vec![9]),
    ]
}

fn names(path: &Path) -> Vec<String> {
    read(path, &mut |_, _| Ok(())).unwrap().files.into_keys().collect()
}

#[test]
fn folder_tar_and_zip_share_names_and_digest() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files() {
        write(&dir.path().join("plain"), name, &bytes);
    }
    let wanted = tree_digest(&dir.path().join("plain")).unwrap();
    let packed = tar(&files());
    let forms = [
        ("t.tar", packed.clone()),
        ("t.tgz", gzip(&packed)),
        ("t.bz2", bzip2(&packed)),
        ("t.xz", xz(&packed)),
        ("z.zip", zip(&files())),
    ];
    for (name, bytes) in forms {
        let path = write(dir.path(), name, &bytes);
        assert_eq!(names(&path), ["a/1.png", "b/2.png"], "{name}");
        assert_eq!(tree_digest(&path).unwrap(), wanted, "{name}");
    }
    assert_eq!(tree_digest(&dir.path().join("plain/set")).unwrap(), wanted);
}

#[test]
fn names_and_contents_are_both_in_the_digest() {
    let dir = tempfile::tempdir().unwrap();
    let digest = |files: &[(&str, Vec<u8>)]| tree_digest(&write(dir.path(), "t.zip", &zip(files))).unwrap();
    let base = digest(&[("a", vec![1]), ("b", vec![2])]);
    assert_eq!(base, digest(&[("b", vec![2]), ("a", vec![1])]));
    assert_ne!(base, digest(&[("a", vec![1]), ("c", vec![2])]));
    assert_ne!(base, digest(&[("a", vec![2]), ("b", vec![1])]));
}

#[test]
fn the_folder_of_a_split_is_kept() {
    assert_eq!(common_top(["x/y/a/1", "x/y/b/1"].into_iter()), 4);
    assert_eq!(common_top(["x/train/a/1", "x/train/b/1"].into_iter()), 2);
    assert_eq!(common_top(["x/1"].into_iter()), 2);
}

#[test]
fn names_that_lead_out_are_refused() {
    for (name, part) in [
        ("../a.png", "leads out of the archive"),
        ("/etc/a.png", "leads out of the archive"),
        ("a/../../b.png", "leads out of the archive"),
        ("a\\b.png", "a backslash or a control character"),
    ] {
        for (form, bytes) in [("t.tar", tar(&[(name, vec![1])])), ("t.zip", zip(&[(name, vec![1])]))] {
            let said = why(form, &bytes);
            assert!(
                said.contains(part) && said.contains("do not trust"),
                "{form} {name}: {said}"
            );
        }
    }
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "t.tar", &tar(&[("a", vec![1]), ("./a", vec![2])]));
    assert!(tree_digest(&path).unwrap_err().to_string().contains("twice"));
}

/// A tar archive of one entry with whatever its header says.
fn odd_tar(name: &[u8], change: impl Fn(&mut tar::Header), body: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_size(body.len() as u64);
    change(&mut header);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend(body);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

fn why(name: &str, bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    tree_digest(&write(dir.path(), name, bytes)).unwrap_err().to_string()
}

#[test]
fn links_and_devices_in_a_tar_are_refused() {
    use tar::EntryType::{Block, Char, Fifo, GNUSparse, Link, Symlink};
    for kind in [Symlink, Link, Char, Block, Fifo, GNUSparse] {
        let set = |header: &mut tar::Header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
        };
        let said = why("t.tar", &odd_tar(b"a.png", set, &[]));
        assert!(
            said.contains("link") || said.contains("cannot read"),
            "{kind:?}: {said}"
        );
    }
    let set = |header: &mut tar::Header| header.set_entry_type(tar::EntryType::Regular);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        names(&write(dir.path(), "t.tar", &odd_tar(b"a.png", set, &[1]))),
        ["a.png"]
    );
}

#[test]
fn names_that_are_no_text_or_hold_control_characters_are_refused() {
    for name in [&b"a\xff.png"[..], b"a\x1b[2J.png", b"a\n.png"] {
        let said = why("t.tar", &odd_tar(name, |_| (), &[1]));
        assert!(
            said.contains("not UTF-8") || said.contains("control character"),
            "{said}"
        );
        assert!(!said.contains('\x1b'), "{said}");
    }
    assert!(why("t.zip", &zip(&[("a\n.png", vec![1])])).contains("control character"));
}

#[cfg(unix)]
#[test]
fn a_folder_is_held_to_the_same_names() {
    use std::os::unix::ffi::OsStrExt;
    for (name, part) in [(&b"a\xff.png"[..], "not UTF-8"), (b"a\x1b.png", "control character")] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), [1]).unwrap();
        let said = tree_digest(dir.path()).unwrap_err().to_string();
        assert!(said.contains(part) && !said.contains('\x1b'), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_in_a_folder_ends() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::os::unix::fs::symlink(dir.path(), dir.path().join(name)).unwrap();
    }
    assert!(
        tree_digest(dir.path())
            .unwrap_err()
            .to_string()
            .contains("loop of links")
    );
}

#[cfg(unix)]
#[test]
fn what_is_neither_file_nor_folder_is_refused_without_opening_it() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("x");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(
        tree_digest(dir.path())
            .unwrap_err()
            .to_string()
            .contains("neither a file nor a folder")
    );
    assert!(
        tree_digest(&pipe)
            .unwrap_err()
            .to_string()
            .contains("a pipe or a device")
    );
}

#[test]
fn a_size_that_the_archive_does_not_hold_is_refused() {
    for size in [4096, 1 << 30, 1 << 40, u64::MAX] {
        why("t.tar", &odd_tar(b"a.png", |header| header.set_size(size), &[1]));
    }
}

#[test]
fn a_name_of_megabytes_is_not_held_in_memory() {
    let long = |length: usize| {
        let set = |header: &mut tar::Header| header.set_entry_type(tar::EntryType::GNULongName);
        let mut bytes = odd_tar(b"././@LongLink", set, &vec![b'a'; length]);
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(tar(&[("a.png", vec![1])]));
        bytes
    };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(names(&write(dir.path(), "t.tar", &long(300)))[0].len(), 300);
    assert!(why("t.tgz", &gzip(&long(2 << 20))).contains("headers and names"));
}

#[test]
fn what_is_left_out_may_be_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(
        dir.path(),
        "t.tar",
        &tar(&[(".cache", vec![1; 3 << 20]), ("a.png", vec![1])]),
    );
    assert_eq!(names(&path), ["a.png"]);
}

#[test]
fn folders_nested_too_deep_are_refused_in_archives_too() {
    let deep = |n: usize| zip(&[(&*("x/".repeat(n) + "a.png"), vec![1])]);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(names(&write(dir.path(), "t.zip", &deep(31))), ["a.png"]);
    assert!(why("t.zip", &deep(32)).contains("32 folders deep"));
}

/// The two-entry archive `a`, `b` with its central directory changed at `offset` of the second entry.
fn patched_zip(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = zip(&[("a", vec![1; 9]), ("b", vec![2; 9])]);
    let second = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[second + offset..second + offset + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn entries_of_a_zip_that_share_a_name_or_bytes_are_refused() {
    assert!(why("t.zip", &patched_zip(46, b"a")).contains("twice"));
    assert!(why("t.zip", &patched_zip(42, &[0; 4])).contains("share their bytes"));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(names(&write(dir.path(), "t.zip", &patched_zip(46, b"b"))), ["a", "b"]);
}

#[test]
fn sizes_that_a_zip_does_not_hold_are_refused() {
    // Compressed and uncompressed size of the second entry.
    for offset in [20, 24] {
        for size in [u32::MAX, u32::MAX - 1, 1 << 30] {
            let dir = tempfile::tempdir().unwrap();
            let path = write(dir.path(), "t.zip", &patched_zip(offset, &size.to_le_bytes()));
            if let Ok(tree) = read(&path, &mut |_, bytes| Ok(bytes)) {
                assert_eq!(tree.files["b"], [2; 9], "{offset} {size}");
            }
        }
    }
}

#[test]
fn what_is_no_archive_and_what_is_cut_or_empty_is_refused() {
    let whole = tar(&files());
    for (bytes, part) in [
        (b"hello".to_vec(), "cannot read as a tar archive"),
        (whole[..900].to_vec(), "cannot read as a tar archive"),
        (zip(&files())[..60].to_vec(), "is no readable zip archive"),
        (tar(&[]), "holds no files"),
        (vec![], "holds no files"),
    ] {
        let said = why("t", &bytes);
        assert!(said.contains(part), "{} bytes: {said}", bytes.len());
    }
}
