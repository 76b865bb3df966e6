//! Makes the results of quick actions durable: all that were published meanwhile at once, about once a second.
//!
//! A sync of its own takes longer than many an action. What a power cut takes with it is found missing or torn, and made
//! again: at most a second's results, each of which took less than [`QUICK`](crate::job::QUICK).

use crate::store::{Store, StoreError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// What is published and not yet synced.
pub(super) struct Syncing<'a> {
    store: &'a Store,
    /// Something was published since the last sync began.
    due: bool,
    began: Instant,
    /// The sync that runs: it may take long where other programs write too, and jobs must not wait for it.
    running: Option<JoinHandle<Result<(), StoreError>>>,
}

impl<'a> Syncing<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            due: false,
            began: Instant::now(),
            running: None,
        }
    }

    pub(super) fn published(&mut self) {
        self.due = true;
    }

    /// Starts a sync if it is time for one. An error is that of the sync before.
    pub(super) fn look(&mut self) -> Result<(), StoreError> {
        if !self.due || self.began.elapsed() < PAUSE || self.running.as_ref().is_some_and(|sync| !sync.is_finished()) {
            return Ok(());
        }
        let before = self.join();
        (self.due, self.began) = (false, Instant::now());
        let sync = self.store.syncing();
        self.running = Some(std::thread::spawn(sync));
        before
    }

    /// Waits until all is durable.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.join()?;
        if std::mem::take(&mut self.due) {
            self.store.syncing()()?;
        }
        Ok(())
    }

    fn join(&mut self) -> Result<(), StoreError> {
        let Some(sync) = self.running.take() else {
            return Ok(());
        };
        sync.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::scratch;

    #[test]
    fn nothing_is_synced_until_something_is_published_and_all_of_it_in_the_end() {
        let (_dir, store) = scratch();
        let mut syncing = Syncing::new(&store);
        syncing.look().unwrap();
        assert!(syncing.running.is_none());
        syncing.published();
        syncing.finish().unwrap();
        assert!(!syncing.due);
    }

    #[test]
    fn a_sync_starts_when_its_time_has_come() {
        let (_dir, store) = scratch();
        let mut syncing = Syncing::new(&store);
        syncing.published();
        syncing.look().unwrap();
        assert!(syncing.running.is_none(), "the run has just begun");
        syncing.began -= PAUSE;
        syncing.look().unwrap();
        assert!(syncing.running.is_some());
        syncing.finish().unwrap();
    }

    #[test]
    fn a_store_that_is_gone_is_an_error() {
        let (dir, store) = scratch();
        let mut syncing = Syncing::new(&store);
        syncing.published();
        drop(dir);
        assert!(syncing.finish().is_err());
    }
}
