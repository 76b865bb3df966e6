//! A check in words.

use super::super::named::some;
use super::super::units::size;
use super::{DamageKind, Share, Verified};
use std::fmt;

/// Names of results per line of text; the JSON has all.
const SHOWN: usize = 4;

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damages {
            let word = match damage.kind {
                DamageKind::Object => "damaged object",
                DamageKind::Missing => "missing object",
                DamageKind::Manifest => "damaged manifest",
                DamageKind::Newer => "unknown manifest",
                DamageKind::Link => "link",
            };
            writeln!(f, "{word} {}\n  {}", damage.path.display(), damage.what)?;
            let touched = match damage.kind {
                DamageKind::Object | DamageKind::Missing if damage.results.is_empty() => "no result".to_owned(),
                _ => some(&damage.results, SHOWN),
            };
            if !touched.is_empty() {
                writeln!(f, "  touches: {touched}")?;
            }
            if !damage.downstream.is_empty() {
                writeln!(
                    f,
                    "  read before by, and still good: {}",
                    some(&damage.downstream, SHOWN)
                )?;
            }
        }
        let Share { files, bytes } = self.objects;
        writeln!(f, "{} results, {files} objects ({}) hashed", self.results, size(bytes))?;
        if self.unreferenced.files > 0 {
            let Share { files, bytes } = self.unreferenced;
            writeln!(
                f,
                "{files} objects ({}) of no result: `moelab gc --yes` removes them",
                size(bytes)
            )?;
        }
        if !self.leftovers.is_empty() {
            let n = self.leftovers.len();
            writeln!(
                f,
                "{n} temporary files: `moelab gc --yes` removes them unless they are being written"
            )?;
        }
        for path in &self.foreign {
            writeln!(f, "not the store's: {}", path.display())?;
        }
        if self.damages.is_empty() {
            return writeln!(f, "no damage");
        }
        writeln!(f, "{} damaged; this mends what can be mended:", self.damages.len())?;
        // What removes comes before what makes again, each once.
        let all: Vec<_> = self.damages.iter().flat_map(|damage| &damage.mend).collect();
        let (removals, mut runs): (Vec<_>, Vec<_>) = all.into_iter().partition(|command| command.starts_with("rm "));
        runs.sort();
        runs.dedup();
        removals
            .into_iter()
            .chain(runs)
            .try_for_each(|command| writeln!(f, "  {command}"))
    }
}
