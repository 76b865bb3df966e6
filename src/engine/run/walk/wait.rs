//! Actions that another process runs: waited for without a slot, and taken when they are there.

use super::super::observe::Ended;
use super::{Action, LOOK, Status, Walk};
use crate::digest::Digest;
use crate::job::Event;
use serde_json::json;
use std::time::{Duration, Instant};

/// Asking after one action costs about so much; more of them are asked after less often.
const COST: Duration = Duration::from_micros(100);

impl Walk<'_> {
    /// Puts an action aside until the next look at the earliest: a holder that cannot be seen costs a look, not an attempt
    /// after the other.
    pub(super) fn wait_for(&mut self, digest: Digest) {
        self.waiting.insert(digest, None);
        self.asked = Instant::now();
        self.is_held(digest);
    }

    /// Looks from time to time at what others run.
    pub(super) fn ask_others(&mut self) {
        let pause = LOOK.max(COST * u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        if self.waiting.is_empty() || self.asked.elapsed() < pause {
            return;
        }
        self.asked = Instant::now();
        for digest in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.ask_after(digest);
        }
        self.resolve_ready();
    }

    /// Whether another process runs an action; a holder is told of once.
    fn is_held(&mut self, digest: Digest) -> bool {
        let Some(holder) = self.store.held(&digest) else {
            return false;
        };
        let info = self.info(&digest, 0, "");
        let told = self.waiting.get_mut(&digest).expect("it is waited for");
        if told.as_ref() != Some(&holder) {
            *told = Some(holder.clone());
            let (stage, axes) = (&info.stage, &info.axes);
            self.record.event(
                "waiting",
                json!({"stage": stage, "axes": axes, "key": digest, "holder": holder}),
            );
            let holder = holder.to_string();
            self.observer.job_progress(&info, &Event::Waiting { holder });
        }
        true
    }

    fn ask_after(&mut self, digest: Digest) {
        if self.is_held(digest) {
            return;
        }
        self.waiting.remove(&digest);
        let Action { force, remade, .. } = self.actions[&digest];
        let found = match force {
            true => None,
            // What is made again for its bytes is there only with them.
            false => self.store.lookup(&digest).filter(|found| !remade || found.complete()),
        };
        let info = self.info(&digest, 0, "");
        match found {
            Some(manifest) => self.finished(digest, Status::Waited, &info, &Ended::AlreadyThere, &manifest),
            // It failed there, or was stopped.
            None => self.enqueue(digest),
        }
    }
}
