//! `moelab verify`.

use crate::args::{Common, Verify};
use crate::exit::Exit;
use crate::setup::print;
use moelab_engine::shell::quoted;
use moelab_engine::store::Store;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Verify) -> Result<ExitCode, Exit> {
    let mut verified = Store::open_read_only(&common.store)?.verify()?;
    if common.store != Path::new("artifacts") {
        verified.add_option(&format!("--store {}", quoted(&common.store.to_string_lossy())));
    }
    print(&verified, args.format)?;
    Ok(ExitCode::from(if verified.damages.is_empty() { 0 } else { 5 }))
}
