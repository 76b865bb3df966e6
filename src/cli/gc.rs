//! `moelab gc`.

use crate::args::{Common, Gc};
use crate::exit::Exit;
use crate::setup::print;
use moelab_engine::store::{Selection, Store};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Gc) -> Result<ExitCode, Exit> {
    let selection = Selection {
        unused_for: args.older_than.map(|age| age.0),
        experiment: args.experiment.clone(),
        roles: args.role.clone(),
        to_size: args.to_size.map(|size| size.0),
    };
    let store = Store::open_read_only(&common.store)?;
    let names = selection.experiment.is_some() || !selection.roles.is_empty();
    if let Some(what) = names
        .then(|| store.catalogue())
        .transpose()?
        .and_then(|all| selection.unknown(&all))
    {
        return Err(Exit::Usage(what));
    }
    let cleaning = match args.yes {
        // Opened as before: what frees a full disk must not begin with a file of its own.
        true => store.gc(&selection)?,
        false => store.gc_plan(&selection)?,
    };
    print(&cleaning, args.format)?;
    Ok(ExitCode::SUCCESS)
}
