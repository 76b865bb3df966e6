//! Telling a want of memory from a bug: the backends report both as panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Whose memory gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    Host,
    Device,
}

/// Runs `f`. A panic that says that memory gave out is an error; any other goes on.
///
/// What `f` was given by reference is as far as it came: use it again only if that does no harm.
///
/// # Errors
/// Whose memory gave out.
pub fn exhaustion<T>(f: impl FnOnce() -> T) -> Result<T, Exhausted> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (_, Some(text)) => text.as_str(),
            _ => "",
        };
        classify(said).unwrap_or_else(|| resume_unwind(payload))
    })
}

/// libtorch's words: `CUDA out of memory. Tried to allocate …`, `CUDA error: out of memory`, and for the host
/// `DefaultCPUAllocator: can't allocate memory: you tried to allocate … bytes`. oneDNN, which it convolves with on the CPU,
/// says only that it `could not create a primitive` or a memory object; shapes it cannot do never reach it.
fn classify(said: &str) -> Option<Exhausted> {
    const HOST: [&str; 4] = [
        "DefaultCPUAllocator",
        "std::bad_alloc",
        "could not create a primitive",
        "could not create a memory",
    ];
    let cuda = ["CUDA", "CUBLAS", "CUDNN", "cuDNN"]
        .iter()
        .any(|word| said.contains(word));
    if HOST.iter().any(|words| said.contains(words)) {
        Some(Exhausted::Host)
    } else if cuda && (said.contains("out of memory") || said.contains("ALLOC_FAILED")) {
        Some(Exhausted::Device)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_memory_is_told_by_whose_it_is() {
        let said = |text: &'static str| exhaustion(|| panic!("{text}"));
        assert_eq!(
            said("Torch(\"CUDA out of memory. Tried to allocate 2 GiB\")"),
            Err::<(), _>(Exhausted::Device)
        );
        assert_eq!(
            said("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            Err::<(), _>(Exhausted::Host)
        );
        assert_eq!(
            said("Torch(\"could not create a primitive\")"),
            Err::<(), _>(Exhausted::Host)
        );
        assert_eq!(exhaustion(|| 1), Ok(1));
    }

    #[test]
    fn another_panic_goes_on() {
        let through = catch_unwind(|| exhaustion(|| -> () { panic!("index out of bounds") }));
        let payload = through.expect_err("it is a bug");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"index out of bounds"));
    }
}
