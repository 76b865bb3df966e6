//! `moelab du`.

use crate::args::{Common, Du};
use crate::exit::Exit;
use crate::setup::print;
use moelab_engine::store::Store;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Du) -> Result<ExitCode, Exit> {
    print(&Store::open_read_only(&common.store)?.usage()?, args.format)?;
    Ok(ExitCode::SUCCESS)
}
