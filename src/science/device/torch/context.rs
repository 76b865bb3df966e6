//! The switches and facts of libtorch that its Rust binding does not reach.
//!
//! libtorch exports them as plain C++ functions (`at::Context`'s setters, `at::show_config`). They are looked up by name
//! at run time, so a libtorch without one of them still links and runs: a switch then does nothing and a fact is `None`.

use std::ffi::{CStr, c_char, c_void};

/// Deterministic kernels or none, where the library can tell; cuDNN too.
pub(super) fn set_deterministic(on: bool) {
    set(c"_ZN2at7Context21setDeterministicCuDNNEb", on);
    set(c"_ZN2at7Context22setDeterministicMkldnnEb", on);
    // The second flag asks for a warning instead of an error where an operation has no deterministic form.
    if let (Some(context), Some(setter)) = (global(), symbol(c"_ZN2at7Context26setDeterministicAlgorithmsEbb")) {
        // SAFETY: the mangled name spells `at::Context::setDeterministicAlgorithms(bool, bool)`, a member function, which
        // takes its object first under the Itanium ABI; `context` is libtorch's own global object. It only stores flags.
        unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, bool, bool)>(setter)(context, on, on)
        };
    }
}

/// Full single precision on CUDA. libtorch lets cuDNN round convolution inputs to 10 bits unless told not to.
pub(super) fn forbid_tf32() {
    set(c"_ZN2at7Context17setAllowTF32CuDNNEb", false);
    set(c"_ZN2at7Context18setAllowTF32CuBLASEb", false);
}

/// libtorch's version, as in `2.11.0`.
pub(super) fn version() -> Option<String> {
    let config = text(c"_ZN2at11show_configB5cxx11Ev")?;
    let rest = config.split("TORCH_VERSION=").nth(1)?;
    let version = rest.split([',', ' ', '\n']).next()?;
    Some(version.to_owned())
}

/// The instruction set libtorch's own kernels use on this CPU, as in `AVX2`.
pub(super) fn cpu_capability() -> Option<String> {
    text(c"_ZN2at18get_cpu_capabilityB5cxx11Ev")
}

fn set(name: &CStr, value: bool) {
    if let (Some(context), Some(setter)) = (global(), symbol(name)) {
        // SAFETY: `name` is one of the names above, all of which spell `at::Context::set…(bool)`, a member function, which
        // takes its object first under the Itanium ABI; `context` is libtorch's own global object. They only store flags.
        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, bool)>(setter)(context, value) };
    }
}

fn global() -> Option<*mut c_void> {
    let getter = symbol(c"_ZN2at13globalContextEv")?;
    // SAFETY: the name spells `at::globalContext()`, which takes nothing and returns a reference, that is a pointer, to an
    // object that lives as long as the process.
    Some(unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(getter)() })
}

/// A `std::string` of libstdc++: the tag `B5cxx11` in a function's name says it returns this layout.
#[repr(C)]
struct CppString {
    data: *const u8,
    length: usize,
    /// Holds the text itself, up to 15 bytes; `data` then points here, or to where this was before it moved.
    local: [u8; 16],
}

/// What a function without arguments says. A long text's buffer is not freed: a few kilobytes, once in a process.
fn text(name: &CStr) -> Option<String> {
    debug_assert!(name.to_bytes().ends_with(b"B5cxx11Ev"));
    let function = symbol(name)?;
    // SAFETY: the name spells a function without arguments that returns a `std::string` of the layout above, in memory,
    // as Rust expects of a C structure of this size too.
    let string = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> CppString>(function)() };
    let bytes = match string.local.get(..string.length) {
        Some(short) if string.length < string.local.len() => short,
        // SAFETY: a longer text lies on the heap, `length` bytes from `data`, and nobody frees it.
        _ => unsafe { std::slice::from_raw_parts(string.data, string.length) },
    };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// The address of an exported function of a loaded library.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn symbol(name: &CStr) -> Option<*mut c_void> {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }
    // SAFETY: the null handle (`RTLD_DEFAULT`) means every loaded library, and `name` ends in a zero byte.
    let address = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// Other systems lay out C++ differently, so nothing is found there.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn symbol(_: &CStr) -> Option<*mut c_void> {
    None
}
