//! The log of a job: everything its process prints while it runs.

use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Sends standard output and error of this process to a file until dropped.
///
/// Not only what Rust prints: native libraries write to the descriptors themselves, and their last words before an abort
/// are what explains it.
pub(super) struct Redirected {
    output: OwnedFd,
    error: OwnedFd,
}

impl Redirected {
    pub(super) fn to(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        flush();
        let saved = Self {
            output: rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?,
            error: rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3)?,
        };
        rustix::stdio::dup2_stdout(&file)?;
        rustix::stdio::dup2_stderr(&file)?;
        Ok(saved)
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        flush();
        // Nothing is left to report a failure to.
        let _unheard = (
            rustix::stdio::dup2_stdout(&self.output),
            rustix::stdio::dup2_stderr(&self.error),
        );
    }
}

fn flush() {
    drop(io::stdout().flush());
    drop(io::stderr().flush());
}

/// The last lines of a log, at most `lines` of them and 16 KiB.
pub fn last_lines(path: &Path, lines: usize) -> Vec<String> {
    const MOST: u64 = 16 * 1024;
    let read = || -> io::Result<(Vec<u8>, bool)> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(MOST);
        file.seek(SeekFrom::Start(start))?;
        let mut text = vec![];
        file.read_to_end(&mut text)?;
        Ok((text, start > 0))
    };
    let Ok((text, cut)) = read() else { return vec![] };
    let text = String::from_utf8_lossy(&text);
    let all: Vec<_> = text
        .lines()
        .skip(usize::from(cut))
        .filter(|line| !line.trim().is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_given_in_whole_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\ntwo\n\nthree\n").unwrap();
        assert_eq!(last_lines(file.path(), 2), ["two", "three"]);
        assert_eq!(last_lines(file.path(), 9), ["one", "two", "three"]);
        std::fs::write(file.path(), format!("{}\nlast", "x".repeat(20_000))).unwrap();
        assert_eq!(last_lines(file.path(), 9), ["last"]);
        assert!(last_lines(Path::new("/nowhere"), 9).is_empty());
    }
}
