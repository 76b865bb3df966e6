//! How a worker tells its runner to look: one byte, whose value means nothing, back through its standard input.
//!
//! A runner that hears nothing looks from time to time all the same, so a bell that does not ring costs time only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

/// The worker's end.
pub(super) struct Bell(Option<File>);

impl Bell {
    /// Standard input, if it is a socket; anything else is only read from.
    pub(super) fn of_input() -> Self {
        let open = || -> io::Result<Option<File>> {
            let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            Ok(file.metadata()?.file_type().is_socket().then_some(file))
        };
        Self(open().unwrap_or_default())
    }

    pub(super) fn ring(&self) {
        if let Some(Err(e)) = self.0.as_ref().map(|mut file| file.write_all(b".")) {
            tracing::debug!("the runner does not hear: {e}");
        }
    }
}
