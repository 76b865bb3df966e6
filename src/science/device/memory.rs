//! The C allocator's habits, which libtorch's CPU side and flex live with.

/// Asks glibc to keep what is freed for the next allocation.
///
/// By default it hands large blocks back to the system, so that every training step takes the same hundreds of megabytes
/// anew, page by page: measured on a small convolutional autoencoder, a tenth of the step. What the job before this one
/// left is given back now.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn keep_freed_memory() {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(param: c_int, value: c_int) -> c_int;
        fn malloc_trim(pad: usize) -> c_int;
    }
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    // SAFETY: glibc's own functions with its documented parameters; both may be called at any time from any thread. 32 MiB
    // is the largest threshold it accepts for blocks mapped on their own.
    unsafe {
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
        mallopt(M_MMAP_THRESHOLD, 32 << 20);
        malloc_trim(0);
    }
}

/// Other allocators have other habits.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn keep_freed_memory() {}
