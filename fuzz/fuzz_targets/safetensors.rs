//! The calls that `TensorFile` makes on an artifact: parse, metadata, each tensor's type, shape and bytes.
#![no_main]

use safetensors::SafeTensors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(tensors) = SafeTensors::deserialize(bytes) else { return };
    let (_, header) = SafeTensors::read_metadata(bytes).expect("the same header was read before");
    let text = header.metadata().as_ref().and_then(|entries| entries.get("moelab"));
    let _ = text.map(|text| serde_json::from_str::<serde_json::Value>(text));
    for name in tensors.names() {
        let view = tensors.tensor(name).expect("a name it gave itself");
        let values = view.shape().iter().product::<usize>();
        assert_eq!(values * view.dtype().bitsize(), 8 * view.data().len());
    }
});
