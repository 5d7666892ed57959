//! Checkpoint files: `.spnb` containers of the kind *checkpoint*.
//!
//! In and out: a [`Saved`] training. The structure is a [`Structure`]; the tensors are the
//! parameters as they are held, then what the optimiser remembers, then the parameters of the best
//! epoch, all in the precision that is trained in, so that every value comes back exactly.

use std::io::{Result, Write};

use serde::{Deserialize, Serialize};
use spn_ir::container::{ContainerError, Kind, read_container, write_container};
use spn_ir::{Parameter, Parameters};
use spn_runtime::learn::{Epoch, OptimizerState, RunningEpoch, TrainerState};

use super::Facts;
use crate::Failure;
use crate::precision::Real;

/// A training as a file holds it, before its values are taken in a precision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Saved {
    structure: Structure,
    tensors: Parameters,
}

/// The structure part of the container. A change of it, or of the types in it, raises the
/// container's version: postcard tells no fields apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Structure {
    program: String,
    isa: String,
    facts: Facts,
    epochs: Vec<Epoch>,
    running: RunningEpoch,
    steps: u64,
    /// How many tensors there are of the parameters,
    parameters: usize,
    /// of each list that the optimiser remembers,
    slots: Vec<usize>,
    /// and of the best epoch's parameters, if they are kept.
    best: Option<usize>,
}

impl Saved {
    /// A training to save; `isa` is the instruction set it ran on.
    pub(super) fn new<E: Real>(facts: &Facts, isa: &str, state: TrainerState<E>) -> Self {
        let TrainerState { epochs, running, optimizer, parameters, best } = state;
        let structure = Structure {
            program: PROGRAM.to_owned(),
            isa: isa.to_owned(),
            facts: facts.clone(),
            epochs,
            running,
            steps: optimizer.steps,
            parameters: parameters.len(),
            slots: optimizer.slots.iter().map(Vec::len).collect(),
            best: best.as_ref().map(Vec::len),
        };
        let mut tensors = Parameters::default();
        add(&mut tensors, "parameter", parameters);
        for (number, slot) in optimizer.slots.into_iter().enumerate() {
            add(&mut tensors, &format!("slot {number}"), slot);
        }
        add(&mut tensors, "best", best.unwrap_or_default());
        Self { structure, tensors }
    }

    /// Writes the file.
    pub(super) fn write<E: Real>(&self, writer: &mut dyn Write) -> Result<()> {
        let precision = E::PRECISION.stored();
        write_container(writer, Kind::Checkpoint, precision, &self.structure, &self.tensors)
    }

    /// Reads the bytes of a file.
    pub(super) fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, ContainerError> {
        let (structure, tensors) = read_container(bytes, Kind::Checkpoint)?;
        Ok(Self { structure, tensors })
    }

    /// What it was trained with.
    pub(super) fn facts(&self) -> &Facts {
        &self.structure.facts
    }

    /// The program that wrote it.
    pub(super) fn program(&self) -> &str {
        &self.structure.program
    }

    /// The instruction set it ran on.
    pub(super) fn isa(&self) -> &str {
        &self.structure.isa
    }

    /// The state to go on from.
    pub(super) fn state<E: Real>(self) -> std::result::Result<TrainerState<E>, Failure> {
        let Self { structure, tensors } = self;
        let mut values = tensors.iter().map(|(_, tensor)| {
            tensor.values.iter().map(|value| E::from_double(*value)).collect::<Vec<E>>()
        });
        let mut take = |count: usize| values.by_ref().take(count).collect::<Vec<_>>();
        let parameters = take(structure.parameters);
        let slots = structure.slots.iter().map(|count| take(*count)).collect();
        let best = structure.best.map(take);
        let announced = structure.slots.iter().chain(&structure.best);
        let announced = announced.fold(structure.parameters, |sum, n| sum.saturating_add(*n));
        if announced != tensors.len() {
            return Err(Failure::misuse(format!(
                "the file is whole, but it announces {announced} tensors and has {}",
                tensors.len()
            )));
        }
        Ok(TrainerState {
            epochs: structure.epochs,
            running: structure.running,
            optimizer: OptimizerState { steps: structure.steps, slots },
            parameters,
            best,
        })
    }
}

/// Adds tensors with these values.
fn add<E: Real>(tensors: &mut Parameters, name: &str, values: Vec<Vec<E>>) {
    for (index, values) in values.into_iter().enumerate() {
        let values: Vec<f64> = values.into_iter().map(Real::double).collect();
        tensors.add(Parameter::new(format!("{name}/{index}"), vec![values.len()], values));
    }
}

/// The program that writes.
pub(super) const PROGRAM: &str = concat!("spn ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spn_runtime::learn::Quality;

    use super::*;

    fn state<E: Real>() -> TrainerState<E> {
        let values = |values: &[f64]| values.iter().map(|v| E::from_double(*v)).collect::<Vec<E>>();
        let valid = Quality { loss: -0.0, log_likelihood: 1.0 / 3.0, accuracy: Some(0.5) };
        TrainerState {
            epochs: vec![Epoch {
                epoch: 1,
                train: f64::INFINITY,
                valid: Some(valid),
                training_time: Duration::new(3, 7),
            }],
            running: RunningEpoch { rows: 300, ..RunningEpoch::default() },
            optimizer: OptimizerState {
                steps: 9,
                slots: vec![vec![values(&[1e-40, -0.0]), vec![]], vec![]],
            },
            parameters: vec![values(&[1.0 / 3.0, f64::NEG_INFINITY]), values(&[f64::MIN_POSITIVE])],
            best: Some(vec![values(&[0.1, 0.2]), values(&[5.0])]),
        }
    }

    fn comes_back<E: Real>() {
        let saved = Saved::new::<E>(&Facts::default(), "avx2", state());
        let mut bytes = Vec::new();
        saved.write::<E>(&mut bytes).unwrap();
        let read = Saved::from_bytes(&bytes).unwrap();
        assert_eq!((read.program(), read.isa()), (PROGRAM, "avx2"));
        let text = |state: &TrainerState<E>| format!("{state:?}");
        assert_eq!(text(&read.state::<E>().unwrap()), text(&state()));
        for length in 0..bytes.len() {
            assert!(Saved::from_bytes(&bytes[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn every_value_comes_back_exactly() {
        comes_back::<f32>();
        comes_back::<f64>();
    }

    /// A checksum keeps out accidents only.
    #[test]
    fn counts_that_do_not_fit_the_tensors_are_told() {
        let saved = Saved::new::<f64>(&Facts::default(), "avx2", state());
        let changes: [fn(&mut Structure); 4] = [
            |structure| structure.parameters = usize::MAX,
            |structure| structure.slots[0] = 1,
            |structure| structure.slots.push(usize::MAX),
            |structure| structure.best = None,
        ];
        for change in changes {
            let mut saved = saved.clone();
            change(&mut saved.structure);
            assert!(saved.state::<f64>().is_err());
        }
    }

    /// A change of the layout must not pass unnoticed: old files would be misread.
    #[test]
    fn the_layout_is_that_of_this_version() {
        let mut saved = Saved::new::<f64>(&Facts::default(), "avx2", state());
        saved.structure.program = String::new();
        let mut bytes = Vec::new();
        saved.write::<f64>(&mut bytes).unwrap();
        // Without the file's own checksum: with it, every file has the same one.
        let checksum = crc32fast::hash(&bytes[..bytes.len() - size_of::<u32>()]);
        assert_eq!(
            checksum, 3_806_098_511,
            "the layout changed: raise VERSION of spn-ir's containers, then this number"
        );
    }
}
