//! Bytes of one file: opened, decompressed, bounded and digested.

use super::error::DataError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// Largest decompressed content that is held in memory, in bytes.
pub const MAX_CONTENT: u64 = 8 << 30;

/// What a file is packed with, told from its first bytes: names are often wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zip,
}

impl Packing {
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::Plain,
        }
    }
}

/// Opens `path`; the packing is found and the reader stands at the first byte again.
pub(crate) fn open(path: &Path) -> Result<(Packing, BufReader<File>), DataError> {
    let fail = |e| DataError::io("open", path, e);
    let mut file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(DataError::format(
            path.display(),
            "is a folder where a file is needed",
            "name the file",
        ));
    }
    let mut head = Vec::with_capacity(8);
    file.by_ref().take(8).read_to_end(&mut head).map_err(fail)?;
    file.rewind().map_err(fail)?;
    Ok((Packing::of(&head), BufReader::with_capacity(1 << 16, file)))
}

/// A reader of the decompressed content of a file packed by gzip, bzip2 or xz, or not at all.
pub(crate) fn unpacked(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let (packing, file) = open(path)?;
    Ok(match packing {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Packing::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        Packing::Zip => {
            return Err(DataError::format(
                path.display(),
                "is a zip archive where one file is needed",
                "unpack it beside and name the file inside",
            ));
        }
    })
}

/// The whole decompressed content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    read_at_most(path, MAX_CONTENT)
}

/// The same, refusing more than `cap` bytes.
pub(crate) fn read_at_most(path: &Path, cap: u64) -> Result<Vec<u8>, DataError> {
    bounded(unpacked(path)?, cap).map_err(|e| DataError::io("read", path, e))
}

/// Reads to the end but never more than `cap` bytes, whatever a header claims.
pub(crate) fn bounded(reader: impl Read, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {cap} bytes after decompression"),
        ));
    }
    Ok(bytes)
}

/// SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file's content after decompression, in constant memory.
pub fn file_digest(path: &Path) -> Result<String, DataError> {
    let mut hash = Sha256::new();
    let mut reader = unpacked(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(DataError::io("read", path, e)),
        }
    }
}

/// One digest for several sources: SHA-256 over a line `role digest\n` for each, in the order of roles. A single source
/// keeps its own digest.
pub fn combined(digests: &BTreeMap<String, String>) -> String {
    if digests.len() == 1 {
        return digests.values().next().expect("there is one").clone();
    }
    let mut hash = Sha256::new();
    for (role, digest) in digests {
        hash.update(format!("{role} {digest}\n"));
    }
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bzip2, gzip, write, xz};
    use super::*;

    #[test]
    fn wrappers_do_not_change_content_or_digest() {
        let dir = tempfile::tempdir().unwrap();
        let text = b"the same bytes".repeat(50);
        for (name, packed) in [
            ("a", text.clone()),
            ("a.gz", gzip(&text)),
            ("a.bz2", bzip2(&text)),
            ("a.xz", xz(&text)),
            ("a.txt", gzip(&text)),
        ] {
            let path = write(dir.path(), name, &packed);
            assert_eq!(read(&path).unwrap(), text, "{name}");
            assert_eq!(file_digest(&path).unwrap(), sha256(&text), "{name}");
        }
    }

    #[test]
    fn truncated_wrappers_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let text = (0..5000u32)
            .flat_map(|v| v.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect::<Vec<_>>();
        for packed in [gzip(&text), bzip2(&text), xz(&text)] {
            let path = write(dir.path(), "cut", &packed[..packed.len() - 9]);
            assert!(read(&path).is_err());
            assert!(file_digest(&path).is_err());
        }
    }

    #[test]
    fn more_than_the_cap_is_refused() {
        assert_eq!(bounded(&[1u8; 10][..], 10).unwrap().len(), 10);
        assert!(bounded(&[1u8; 11][..], 10).is_err());
    }

    #[test]
    fn combined_depends_on_roles_and_digests() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(combined(&map(&[("a", "1")])), "1");
        assert_ne!(
            combined(&map(&[("a", "1"), ("b", "2")])),
            combined(&map(&[("a", "2"), ("b", "1")]))
        );
    }
}
