//! A cleaning in words.

use super::Cleaning;
use crate::store::Share;
use crate::store::units::{size, span};
use std::collections::BTreeMap;
use std::fmt;

/// Reasons shown; the JSON has all.
const SHOWN: usize = 10;

impl fmt::Display for Cleaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let garbage = [
            ("objects of no result", &self.unreferenced),
            ("dead attempts", &self.attempts),
            ("temporary files", &self.leftovers),
            ("abandoned actions", &self.abandoned),
            ("old runs", &self.runs),
        ];
        for (name, Share { files, bytes }) in garbage.iter().filter(|(_, share)| share.files > 0) {
            writeln!(f, "{name:<22} {files:>7} files   {:>10}", size(*bytes))?;
        }
        let mut stages: BTreeMap<(&str, &str), (u64, u64, f64)> = BTreeMap::new();
        for eviction in &self.evicted {
            let name = (eviction.result.experiment.as_str(), eviction.result.stage.as_str());
            let sum = stages.entry(name).or_default();
            *sum = (sum.0 + 1, sum.1 + eviction.bytes, sum.2 + eviction.seconds);
        }
        for ((experiment, stage), (results, bytes, seconds)) in stages {
            let name = format!("{experiment} {stage}");
            let (name, bytes, time) = (name.trim(), size(bytes), span(seconds));
            writeln!(f, "{name:<22} {results:>7} results {bytes:>10}, made in {time}")?;
        }
        for why in self.kept.iter().take(SHOWN) {
            writeln!(f, "kept: {why}")?;
        }
        if self.kept.len() > SHOWN {
            writeln!(f, "kept: {} more", self.kept.len() - SHOWN)?;
        }
        let (freed, before) = (size(self.freed()), size(self.before));
        match self.done {
            true => writeln!(f, "freed {freed} of {before}")?,
            false => writeln!(f, "would free {freed} of {before}")?,
        }
        if !self.evicted.is_empty() {
            let (n, time) = (self.recompute.results, span(self.recompute.seconds));
            writeln!(
                f,
                "these results still count as done; whatever reads their bytes again runs up to {n} actions ({time} when \
                 they first ran)"
            )?;
            if self.recompute.accelerated > 0 {
                let n = self.recompute.accelerated;
                writeln!(
                    f,
                    "{n} of them ran on an accelerator: other bytes may come out, and then what reads them has to be \
                     forced to run again"
                )?;
            }
        }
        let any = garbage.iter().any(|(_, share)| share.files > 0) || !self.evicted.is_empty();
        if !self.done && any {
            writeln!(f, "nothing was removed: --yes does it")?;
        }
        Ok(())
    }
}
