//! Bytes of one file: opened, decompressed, bounded and digested.

use super::error::DataError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// What may come out of a packed file: a floor that no honest file fails, and beyond it so many times the packed bytes.
/// Gzip cannot pass 1,032 times; a bzip2 file of 50 bytes can hold gigabytes of zeros.
const FREE: u64 = 1 << 30;
const MOST_TIMES: u64 = 2000;

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
    // Asked before opening: a named pipe would wait for a writer for ever.
    let meta = fs::metadata(path).map_err(fail)?;
    if !meta.is_file() {
        let found = if meta.is_dir() {
            "a folder"
        } else {
            "a pipe or a device"
        };
        return Err(DataError::format(
            path.display(),
            format!("is {found} where a file is needed"),
            "name the file",
        ));
    }
    let mut file = File::open(path).map_err(fail)?;
    let mut head = Vec::with_capacity(8);
    file.by_ref().take(8).read_to_end(&mut head).map_err(fail)?;
    file.rewind().map_err(fail)?;
    Ok((Packing::of(&head), BufReader::with_capacity(1 << 16, file)))
}

/// A reader of the decompressed content of a file packed by gzip, bzip2 or xz, or not at all.
pub(crate) fn unpacked(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let (packing, file) = open(path)?;
    let packed = file
        .get_ref()
        .metadata()
        .map_err(|e| DataError::io("open", path, e))?
        .len();
    let content: Box<dyn Read> = match packing {
        Packing::Plain => return Ok(Box::new(file)),
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
    };
    Ok(Box::new(Unpacking::of(packed).reading(content)))
}

/// Watches how much comes out of so many packed bytes, and stops a decompression bomb.
pub(crate) struct Unpacking {
    packed: u64,
    left: u64,
}

impl Unpacking {
    pub fn of(packed: u64) -> Self {
        Self {
            packed,
            left: FREE.max(packed.saturating_mul(MOST_TIMES)),
        }
    }

    /// Counts bytes that came out.
    pub fn count(&mut self, bytes: u64) -> io::Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                let what = format!(
                    "its {} bytes unpack to more than 1 GiB and more than {MOST_TIMES} times their number, as a \
                     decompression bomb does",
                    self.packed
                );
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
            }
        }
        Ok(())
    }

    fn reading<R>(self, inner: R) -> Watched<R> {
        Watched { inner, unpacking: self }
    }
}

struct Watched<R> {
    inner: R,
    unpacking: Unpacking,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.unpacking.count(n as u64)?;
        Ok(n)
    }
}

/// The whole decompressed content of a file, refusing more than `cap` bytes.
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
            format!("holds more than {cap} bytes"),
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
            assert_eq!(read_at_most(&path, 1 << 20).unwrap(), text, "{name}");
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
            for said in [
                read_at_most(&path, 1 << 20).unwrap_err(),
                file_digest(&path).unwrap_err(),
            ] {
                let said = said.to_string();
                assert!(said.starts_with("cannot read") && said.contains("/cut: "), "{said}");
            }
        }
    }

    #[test]
    fn more_than_the_cap_is_refused() {
        assert_eq!(bounded(&[1u8; 10][..], 10).unwrap().len(), 10);
        let said = bounded(&[1u8; 11][..], 10).unwrap_err().to_string();
        assert_eq!(said, "holds more than 10 bytes");
    }

    #[test]
    fn a_packed_file_may_grow_a_gigabyte_or_two_thousand_times() {
        let mut small = Unpacking::of(50);
        small.count(1 << 30).unwrap();
        assert!(small.count(1).unwrap_err().to_string().contains("decompression bomb"));
        let mut large = Unpacking::of(1 << 30);
        large.count(2000 << 30).unwrap();
        let said = large.count(1).unwrap_err().to_string();
        assert!(said.starts_with("its 1073741824 bytes unpack to more than"), "{said}");
    }

    #[test]
    fn a_bomb_stops_while_it_is_read() {
        let reading = |bytes: usize| {
            let mut out = Vec::new();
            let unpacking = Unpacking { packed: 1, left: 10 };
            unpacking.reading(&vec![0; bytes][..]).read_to_end(&mut out)
        };
        assert_eq!(reading(10).unwrap(), 10);
        assert!(reading(11).unwrap_err().to_string().contains("decompression bomb"));
    }

    #[test]
    fn a_bomb_is_refused_by_the_cap_of_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        for packed in [gzip(&vec![0; 1 << 22]), bzip2(&vec![0; 1 << 22]), xz(&vec![0; 1 << 22])] {
            let path = write(dir.path(), "x", &packed);
            assert!(read_at_most(&path, 1 << 22).is_ok());
            let said = read_at_most(&path, (1 << 22) - 1).unwrap_err().to_string();
            assert!(said.contains("more than 4194303 bytes"), "{said}");
        }
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
