//! Verifying a plan that comes from outside the compiler.
//!
//! In: a [`Plan`], for instance from a file. Out: nothing, or the first contradiction. The runtime
//! checks no index while it runs; a plan that passes here cannot lead it outside its arrays:
//! every slot, quantity, table and variable exists, blocks have the widths their readers expect,
//! values are written once, before they are read, and not overwritten before their last reader.

mod error;
mod memory;
mod order;
mod scalar;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

pub use error::{Place, PlanError};

use super::{Plan, SlotId};
use crate::circuit::MAXIMUM_WIDTH;
use crate::{Normalisation, Slice};

impl Plan {
    /// Checks that running the plan stays inside its arrays.
    ///
    /// # Errors
    /// The first contradiction, with its place.
    pub fn verify(&self) -> Result<(), PlanError> {
        self.verify_normalisation()?;
        self.verify_parameters()?;
        let verifier = Verifier {
            plan: self,
            quantities: self.verify_quantities()?,
            tables: self.verify_tables()?,
        };
        verifier.slots()?;
        Place::Numbers.equal("number of slots", self.numbers.len(), self.slots.len() as u64)?;
        for (index, step) in self.steps.iter().enumerate() {
            verifier.step(Place::Step(index), step)?;
        }
        verifier.root()?;
        verifier.scalar()?;
        order::verify(self)?;
        self.verify_reverse()?;
        memory::verify_inference(self)?;
        memory::verify_training(self)
    }

    fn verify_normalisation(&self) -> Result<(), PlanError> {
        let Some(Normalisation::Fixed { mean, deviation, .. }) = &self.normalisation else {
            return Ok(());
        };
        let place = Place::Normalisation;
        place.equal("number of means", mean.len(), self.variables)?;
        place.equal("number of deviations", deviation.len(), self.variables)
    }

    fn verify_parameters(&self) -> Result<(), PlanError> {
        for (id, parameter) in self.parameters.iter() {
            let place = Place::Parameter(id.index());
            let count = place.count(&parameter.shape)?;
            place.equal("number of values", parameter.values.len(), count)?;
            let constraint = parameter.constraint;
            if constraint.is_some_and(|constraint| !constraint.fits(&parameter.shape)) {
                return Err(place.wrong("its constraint names an axis outside its shape"));
            }
        }
        Ok(())
    }

    /// How many values each quantity has.
    fn verify_quantities(&self) -> Result<Vec<u64>, PlanError> {
        let mut lengths = Vec::with_capacity(self.quantities.len());
        for (index, quantity) in self.quantities.iter().enumerate() {
            let place = Place::Quantity(index);
            let count = place.count(&quantity.shape)?;
            for id in quantity.formula.parameters() {
                place.exists("parameter", id.0, self.parameters.len())?;
                let values = self.parameters.get(id).values.len();
                place.equal("number of its parameter's values", values, count)?;
            }
            if !quantity.bounds.is_none_or(|(minimum, maximum)| minimum <= maximum) {
                return Err(place.wrong("its lower bound is above its upper bound"));
            }
            lengths.push(count);
        }
        Ok(lengths)
    }

    /// For each table and factor, the length of the row and its largest pick.
    fn verify_tables(&self) -> Result<Vec<Vec<TableRow>>, PlanError> {
        let row = |picks: &Vec<u32>| TableRow {
            length: picks.len() as u64,
            largest: picks.iter().copied().max().unwrap_or(0),
        };
        Ok(self.tables.iter().map(|table| table.picks.iter().map(row).collect()).collect())
    }

    /// Reverse steps are forward steps, each at most once, in opposite order.
    fn verify_reverse(&self) -> Result<(), PlanError> {
        let mut before = self.steps.len() as u32;
        for (index, reverse) in self.reverse.iter().enumerate() {
            let place = Place::Reverse(index);
            place.exists("step", reverse.step, self.steps.len())?;
            if reverse.step >= before {
                return Err(place.wrong("it does not come before the forward step last reversed"));
            }
            before = reverse.step;
        }
        Ok(())
    }
}

/// One row of a pick table.
struct TableRow {
    length: u64,
    largest: u32,
}

/// A plan with what is needed again and again.
struct Verifier<'a> {
    plan: &'a Plan,
    quantities: Vec<u64>,
    tables: Vec<Vec<TableRow>>,
}

impl Verifier<'_> {
    fn slots(&self) -> Result<(), PlanError> {
        let bad = |rows: u32| rows == 0 || u64::from(rows) > MAXIMUM_WIDTH;
        match self.plan.slots.iter().position(|&rows| bad(rows)) {
            Some(slot) => Err(Place::Slot(slot).wrong("its number of rows is 0 or too large")),
            None => Ok(()),
        }
    }

    /// The rows of a slot.
    fn rows(&self, place: Place, slot: SlotId) -> Result<u32, PlanError> {
        place.exists("slot", slot.0, self.plan.slots.len())?;
        Ok(self.plan.slots[slot.index()])
    }

    /// `length` values of a quantity from the slice's offset on.
    fn slice(&self, place: Place, slice: Slice, length: Option<u64>) -> Result<(), PlanError> {
        place.exists("quantity", slice.quantity.0, self.quantities.len())?;
        let available = self.quantities[slice.quantity.index()];
        let end = length.and_then(|length| length.checked_add(u64::from(slice.offset)));
        if end.is_some_and(|end| end <= available) {
            return Ok(());
        }
        let (quantity, offset) = (slice.quantity.0, slice.offset);
        let needed = length.unwrap_or(u64::MAX);
        Err(PlanError::SliceOutside { place, quantity, offset, needed, available })
    }
}

/// The product of some lengths; `None` if it is too large for any memory.
fn product(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(1_u64, |product, &length| product.checked_mul(length))
}
