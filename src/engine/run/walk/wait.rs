//! Actions that another process runs: waited for without a slot, and taken when they are there.

use super::super::observe::Ended;
use super::{LOOK, Status, Walk};
use crate::digest::Digest;
use crate::job::Event;
use serde_json::json;
use std::time::{Duration, Instant};

/// Asking after one action costs about so much; more of them are asked after less often.
const COST: Duration = Duration::from_micros(100);

impl Walk<'_> {
    pub(super) fn wait_for(&mut self, digest: Digest) {
        self.waiting.insert(digest, None);
        self.asked = Instant::now();
        self.ask_after(digest);
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

    fn ask_after(&mut self, digest: Digest) {
        let info = self.info(&digest, 0, "");
        if let Some(holder) = self.store.held(&digest) {
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
            return;
        }
        self.waiting.remove(&digest);
        let found = if self.actions[&digest].force {
            None
        } else {
            self.store.lookup(&digest)
        };
        match found {
            Some(manifest) => self.finished(digest, Status::Waited, &info, &Ended::AlreadyThere, &manifest),
            // It failed there, or was stopped.
            None => self.enqueue(digest),
        }
    }
}
