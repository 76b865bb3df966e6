//! Turns a panic of stage code into text: what was said, and where.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

/// Where the last panic of any thread happened: a worker runs one job at a time, and a panic that reaches it may come
/// from a thread pool.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `f`; a panic in it becomes an error with its message and place.
pub(super) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info
                .location()
                .map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = place;
            before(info);
        }));
    });
    // The job's state is dropped with it, so nobody sees it half changed.
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a panic without a message".to_owned(),
        };
        match LAST.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(place) => format!("{said} (at {place})"),
            None => said,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_its_message_and_place_and_no_panic_gives_the_value() {
        assert_eq!(catch(|| 1), Ok(1));
        let said = catch(|| panic!("number {}", 7)).unwrap_err();
        assert!(said.starts_with("number 7"), "{said}");
        let said = catch(|| panic!("plain")).unwrap_err();
        assert!(said.starts_with("plain (at "), "{said}");
        assert!(said.contains("panics.rs:"), "{said}");
    }
}
