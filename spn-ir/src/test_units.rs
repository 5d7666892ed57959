//! For tests: the reference library's values in `initializers/test_data/units.json`.
//!
//! They are the arrays `constraint/*`, `initializer/*` and `poon_domingos/*` of the reference
//! data's `units.npz`, computed by libspn-keras 0.6.0 in f32.

use serde_json::Value;

/// Arrays by name.
pub(crate) struct Units(Value);

impl Units {
    pub(crate) fn load() -> Self {
        Self(serde_json::from_str(include_str!("initializers/test_data/units.json")).unwrap())
    }

    /// Shape and values of an array.
    pub(crate) fn array(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let array = &self.0[name];
        let read = |part: &str| array[part].as_array().unwrap_or_else(|| panic!("no {name}"));
        let shape = read("shape").iter().map(|v| v.as_u64().unwrap() as usize).collect();
        (shape, read("values").iter().map(|v| v.as_f64().unwrap()).collect())
    }

    /// Compares with relative 1e-5 of the array's largest magnitude: the reference is in f32.
    pub(crate) fn compare(&self, name: &str, values: &[f64], expected: &[f64]) {
        assert_eq!(values.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (index, (value, expected)) in values.iter().zip(expected).enumerate() {
            assert!(
                (value - expected).abs() <= 1e-5 * largest,
                "{name}[{index}]: {value} {expected}"
            );
        }
    }
}
