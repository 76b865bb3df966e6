//! The same work on many files.

use std::sync::atomic::{AtomicUsize, Ordering};

/// More threads than this gain nothing on one disk.
const MOST: usize = 8;
/// Items taken at a time: small ones should cost less than the taking.
const STEP: usize = 16;

/// The results of `work` in the order of `items`.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST));
    let (next, work) = (AtomicUsize::new(0), &work);
    let step = STEP.min(items.len().div_ceil(threads)).max(1);
    let worker = || {
        let mut done = vec![];
        loop {
            let start = next.fetch_add(step, Ordering::Relaxed);
            let Some(part) = items.get(start..) else { return done };
            if part.is_empty() {
                return done;
            }
            done.push((start, part.iter().take(step).map(work).collect::<Vec<_>>()));
        }
    };
    let mut parts = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut parts = worker();
        for handle in handles {
            match handle.join() {
                Ok(done) => parts.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    parts.sort_by_key(|(start, _)| *start);
    parts.into_iter().flat_map(|(_, done)| done).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_their_items() {
        for n in [0, 1, 5, 1000] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(map(&items, |i| i * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }
}
