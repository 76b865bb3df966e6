//! The upper halves of the vector registers.

/// Gives them back after a product or a decomposition by faer, which leaves them in use on x86: every narrow instruction
/// that follows on the same thread would otherwise wait for them (an exponential took fifteen times longer).
pub fn release() {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        simd.avx._mm256_zeroupper();
    }
}
