//! What stands in a path: device ids and namespaces; and dates and label values, which are texts as
//! well.
#![no_main]

use contract::{DateTime, DeviceId, Namespace, labels};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(id) = DeviceId::parse(text) {
        assert_eq!(DeviceId::parse(id.as_str()).as_ref(), Ok(&id));
        assert!(flotta_fuzz::label(id.as_str()).is_some(), "{id}");
        assert!(id.as_str().eq_ignore_ascii_case(text));
    }
    if let Ok(namespace) = Namespace::parse(text) {
        assert_eq!(Namespace::parse(namespace.as_str()).as_ref(), Ok(&namespace));
        assert!(flotta_fuzz::label(namespace.as_str()).is_some(), "{namespace}");
    }
    if let Ok(time) = text.parse::<DateTime>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    if let Some(value) = labels::normalise(text) {
        assert!(flotta_fuzz::label(&value).is_some(), "{value:?}");
        assert_eq!(labels::normalise(&value), Some(value));
    }
});
