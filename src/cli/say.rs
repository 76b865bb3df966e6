//! Words to whoever watches, on standard error.

/// As `eprintln!`, but with nobody to listen it goes on: a full disk under the log, or a `head` that ends, ends no training.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

pub(crate) use say;
