//! What a training is made of, so that no checkpoint is gone on with in another one.
//!
//! In: model, options and data. Out: named facts, each a short text or a checksum, and what differs
//! between two lists of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spn_ir::Parameters;
use spn_ir::container::{Precision, write_plan};
use spn_ir::plan::Plan;
use spn_runtime::learn::{FitOptions, Schedule};

use crate::precision::Real;
use crate::training::{Examples, training_json};

/// Named facts in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    /// The facts of a training from a plan's parameters on. Threads are none of them, as results do
    /// not depend on those, nor is the number of epochs, which may be raised unless the schedule of
    /// the step size ends with them.
    pub(crate) fn new<E: Real>(
        plan: &Plan,
        options: &FitOptions,
        train: &Examples<E>,
        valid: Option<&Examples<E>>,
    ) -> Self {
        let mut facts = Self::default();
        let structure = Plan { parameters: Parameters::default(), ..plan.clone() };
        let mut file = Vec::new();
        // A vector takes every byte, and plans can always be written.
        let _ = write_plan(&mut file, Precision::Double, &structure);
        // The file ends with its own checksum, and with that every file has the same one.
        file.truncate(file.len().saturating_sub(size_of::<u32>()));
        facts.add("network", checksum(file.into_iter()));
        let values = plan.parameters.iter().flat_map(|(_, parameter)| &parameter.values);
        facts.add("initial parameters", checksum(values.flat_map(|value| value.to_le_bytes())));
        facts.add("precision", format!("{:?}", E::PRECISION).to_lowercase());
        // A cosine is fitted to the length of the training.
        let is_fitted = matches!(options.schedule, Schedule::Cosine { .. });
        if let Value::Object(options) = training_json(options) {
            for (name, value) in options.iter().filter(|(name, _)| is_fitted || *name != "epochs") {
                facts.add(name, value.to_string());
            }
        }
        facts.add_examples("", train);
        if let Some(valid) = valid {
            facts.add_examples("validation ", valid);
        }
        facts
    }

    fn add(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    fn add_examples<E: Real>(&mut self, prefix: &str, examples: &Examples<E>) {
        let (values, columns) = (&examples.rows.values, examples.rows.columns);
        let rows = examples.rows.len();
        let sum = checksum_of(values);
        self.add(&format!("{prefix}data"), format!("{rows} rows of {columns} values, {sum}"));
        if let Some(labels) = &examples.labels {
            let sum = checksum(labels.iter().flat_map(|label| label.to_le_bytes()));
            self.add(&format!("{prefix}labels"), sum);
        }
        if let Some(weights) = &examples.row_weights {
            self.add(&format!("{prefix}row weights"), checksum_of(weights));
        }
    }

    /// What differs: `NAME (OLD then, NEW now)` for each fact, from these to `now`.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let value = |facts: &Self, name: &str| {
            let found = facts.0.iter().find(|fact| fact.0 == name);
            found.map_or("none".to_owned(), |fact| fact.1.clone())
        };
        let gone = self.0.iter().filter(|fact| !now.0.iter().any(|other| other.0 == fact.0));
        let names = now.0.iter().chain(gone).map(|fact| &fact.0);
        let pairs = names.map(|name| (name, value(self, name), value(now, name)));
        let differ = pairs.filter(|(_, then, now)| then != now);
        differ.map(|(name, then, now)| format!("{name} ({then} then, {now} now)")).collect()
    }
}

/// The checksum of numbers, whatever their precision.
fn checksum_of<E: Real>(values: &[E]) -> String {
    checksum(values.iter().flat_map(|value| value.double().to_le_bytes()))
}

/// The checksum of bytes (CRC-32, as container files have).
fn checksum(mut bytes: impl Iterator<Item = u8>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        block.extend(bytes.by_ref().take(BLOCK));
        if block.is_empty() {
            return format!("checksum {:08x}", hasher.finalize());
        }
        hasher.update(&block);
    }
}

/// Bytes that are summed at a time.
const BLOCK: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        Facts(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn differences_are_named_with_both_values() {
        let then = facts(&[("batch", "8"), ("seed", "0"), ("momentum", "0.5")]);
        let now = facts(&[("batch", "9"), ("seed", "0"), ("labels", "checksum 1")]);
        let expected = [
            "batch (8 then, 9 now)",
            "labels (none then, checksum 1 now)",
            "momentum (0.5 then, none now)",
        ];
        assert_eq!(then.differences(&now), expected);
        assert_eq!(then.differences(&then), [""; 0]);
    }

    #[test]
    fn checksums_are_those_of_zip_files() {
        assert_eq!(checksum(b"123456789".iter().copied()), "checksum cbf43926");
        let long = vec![7_u8; 10_000];
        let expected = format!("checksum {:08x}", crc32fast::hash(&long));
        assert_eq!(checksum(long.into_iter()), expected);
    }
}
