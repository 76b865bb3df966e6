//! Helpers of this folder's tests.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of the real data sets, if this machine has one; otherwise says so on stderr.
pub fn real_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = match std::env::var_os("MOELAB_DATA") {
        Some(dir) => PathBuf::from(dir),
        None => beside,
    };
    if found.is_dir() {
        return Some(found);
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!: the test harness swallows it for tests that pass.
    writeln!(
        std::io::stderr(),
        "skipped: {name} needs the real data sets; set MOELAB_DATA to their folder"
    )
    .ok();
    None
}

/// The same, if all the named sets are there.
pub fn real_sets(names: &[&str]) -> Option<PathBuf> {
    let dir = real_data()?;
    let absent = names.iter().find(|n| !dir.join(n).is_dir());
    if let Some(name) = absent {
        writeln!(
            std::io::stderr(),
            "skipped: a test needs the data set {name}, which is not in {}",
            dir.display()
        )
        .ok();
    }
    absent.is_none().then_some(dir)
}

pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A PNG of `width` × `height` pixels; `channels` is 1 (grey), 3 (RGB) or 4 (RGBA).
pub fn png(width: u32, height: u32, channels: usize, pixels: &[u8]) -> Vec<u8> {
    use image::{ExtendedColorType, ImageEncoder};
    let color = [
        ExtendedColorType::L8,
        ExtendedColorType::L8,
        ExtendedColorType::Rgb8,
        ExtendedColorType::Rgba8,
    ];
    let mut out = Vec::new();
    let kind = if channels == 1 { color[0] } else { color[channels - 1] };
    image::codecs::png::PngEncoder::new(&mut out)
        .write_image(pixels, width, height, kind)
        .unwrap();
    out
}

/// A tar archive of the given files, in the given order.
pub fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // Written by hand so that tests can make names that the builder itself would refuse.
        header.as_gnu_mut().expect("a GNU header").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append(&header, &bytes[..]).unwrap();
    }
    out.into_inner().unwrap()
}

/// A zip archive of the given files, in the given order.
pub fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}
