//! The steps of a plan: what each names exists and has the size its kernel expects.

use super::{Place, PlanError, Verifier, product};
use crate::VariableId;
use crate::plan::{
    DropoutStep, LeafKernel, LeafStep, Numbers, Pick, ProductStep, SlotId, Step, SumProductStep,
    Term,
};

impl Verifier<'_> {
    pub(super) fn step(&self, place: Place, step: &Step) -> Result<(), PlanError> {
        if step.is_empty() {
            return Err(place.wrong("it does nothing"));
        }
        match step {
            Step::Leaf(step) => self.leaf(place, step),
            Step::Product(step) => self.product_step(place, step),
            Step::SumProduct(step) => self.sum_product(place, step),
            Step::Dropout(step) => self.dropout(place, step),
        }
    }

    fn leaf(&self, place: Place, step: &LeafStep) -> Result<(), PlanError> {
        let (width, dimensions) = (u64::from(step.width), u64::from(step.dimensions));
        if dimensions == 0 {
            return Err(place.wrong("its leaves have no variables"));
        }
        let variables = product(&[dimensions, step.instances.len() as u64]).unwrap_or(u64::MAX);
        place.equal("number of variables", step.variables.len(), variables)?;
        for &VariableId(variable) in &step.variables {
            place.exists("variable", variable, self.plan.variables as usize)?;
        }
        let values = product(&[width, dimensions]);
        let (first, second) = match step.kernel {
            LeafKernel::LocationScale(_) => (Some(values), Some(values)),
            LeafKernel::Indicator => (None, None),
            LeafKernel::Categorical { states: 0 } => {
                return Err(place.wrong("its leaves have no states"));
            }
            LeafKernel::Categorical { states } => {
                (Some(product(&[width, dimensions, u64::from(states)])), None)
            }
        };
        for instance in &step.instances {
            for (slice, length) in [(instance.first, first), (instance.second, second)] {
                match (slice, length) {
                    (Some(slice), Some(length)) => self.slice(place, slice, length)?,
                    (None, None) => {}
                    _ => return Err(place.wrong("its kernel takes other parameters")),
                }
            }
            self.output(place, instance.output, width)?;
        }
        Ok(())
    }

    fn product_step(&self, place: Place, step: &ProductStep) -> Result<(), PlanError> {
        self.factors(place, std::slice::from_ref(&step.term), &step.factors, step.outputs.len())?;
        for &output in &step.outputs {
            self.output(place, output, u64::from(step.term.rows))?;
            self.linear(place, output)?;
        }
        Ok(())
    }

    fn sum_product(&self, place: Place, step: &SumProductStep) -> Result<(), PlanError> {
        let (inputs, width) = (u64::from(step.inputs), u64::from(step.width));
        place.equal("number of rows of the terms", rows(&step.terms), inputs)?;
        self.factors(place, &step.terms, &step.factors, step.instances.len())?;
        for instance in &step.instances {
            self.slice(place, instance.weights, product(&[inputs, width]))?;
            self.output(place, instance.output, width)?;
            self.linear(place, instance.output)?;
        }
        Ok(())
    }

    /// Sums and products write linear values.
    fn linear(&self, place: Place, output: SlotId) -> Result<(), PlanError> {
        match self.numbers(output) {
            Some(Numbers::Log) => Err(place.wrong("it writes linear values as logarithms")),
            _ => Ok(()),
        }
    }

    fn dropout(&self, place: Place, step: &DropoutStep) -> Result<(), PlanError> {
        for &(input, output, dropout) in &step.instances {
            let rows = u64::from(self.rows(place, input)?);
            self.output(place, output, rows)?;
            if self.numbers(input) != self.numbers(output) {
                return Err(place.wrong("it writes another representation than it reads"));
            }
            let last = u64::from(dropout.stride) * (rows - 1) + u64::from(dropout.first);
            if last > u64::from(u32::MAX) {
                return Err(place.wrong("its random numbers run out of 32 bits"));
            }
            if !(0.0..=1.0).contains(&dropout.rate) {
                return Err(place.wrong("its dropout rate is no probability"));
            }
        }
        Ok(())
    }

    /// The last sum.
    pub(super) fn root(&self) -> Result<(), PlanError> {
        let (place, root) = (Place::Root, &self.plan.root);
        let inputs = u64::from(root.inputs);
        place.equal("number of rows of the terms", rows(&root.terms), inputs)?;
        self.factors(place, &root.terms, &root.factors, 1)?;
        match root.weights {
            Some(weights) => self.slice(place, weights, Some(inputs)),
            None => place.equal("number of inputs without weights", root.inputs as usize, 1_u64),
        }
    }

    fn output(&self, place: Place, slot: SlotId, rows: u64) -> Result<(), PlanError> {
        let found = self.rows(place, slot)?;
        place.equal("number of rows of an output", found as usize, rows)
    }

    /// The factors of `instances` lists of terms.
    fn factors(
        &self,
        place: Place,
        terms: &[Term],
        factors: &[SlotId],
        instances: usize,
    ) -> Result<(), PlanError> {
        if terms.is_empty() {
            return Err(place.wrong("it has no terms"));
        }
        for term in terms {
            self.pick(place, term)?;
        }
        let each: u64 = terms.iter().map(|term| u64::from(term.factors)).sum();
        let expected = product(&[each, instances as u64]).unwrap_or(u64::MAX);
        place.equal("number of factors", factors.len(), expected)?;
        let mut rest = factors.iter();
        while rest.len() > 0 {
            for term in terms {
                let mut own = rest.as_slice().iter().take(term.factors as usize);
                let first = own.next().map(|slot| self.numbers(*slot));
                if own.any(|slot| Some(self.numbers(*slot)) != first) {
                    return Err(place.wrong("a product multiplies logarithms with linear values"));
                }
                for (factor, &slot) in rest.by_ref().take(term.factors as usize).enumerate() {
                    let rows = self.rows(place, slot)?;
                    self.factor(place, term, factor, rows)?;
                }
            }
        }
        Ok(())
    }

    /// How the values of a slot are represented, if it exists.
    fn numbers(&self, slot: SlotId) -> Option<Numbers> {
        self.plan.numbers.get(slot.index()).copied()
    }

    /// A term's own numbers.
    fn pick(&self, place: Place, term: &Term) -> Result<(), PlanError> {
        if term.rows == 0 {
            return Err(place.wrong("a product has no rows"));
        }
        match &term.pick {
            Pick::Same => Ok(()),
            Pick::Outer { digits } => {
                if digits.iter().any(|&(stride, rows)| stride == 0 || rows == 0) {
                    return Err(place.wrong("an outer product divides by 0"));
                }
                place.equal("number of digits of an outer product", digits.len(), term.factors)
            }
            Pick::Table(id) => {
                place.exists("pick table", id.0, self.tables.len())?;
                let table = &self.tables[id.0 as usize];
                place.equal("number of rows of a pick table", table.len(), term.factors)?;
                for row in table {
                    place.equal("length of a pick table's row", row.length as usize, term.rows)?;
                }
                Ok(())
            }
        }
    }

    /// A factor of `rows` rows has those that the term picks. [`Self::pick`] came before.
    fn factor(&self, place: Place, term: &Term, factor: usize, rows: u32) -> Result<(), PlanError> {
        let what = "number of rows of a factor";
        match &term.pick {
            Pick::Same => place.equal(what, rows as usize, term.rows),
            Pick::Outer { digits } => place.equal(what, rows as usize, digits[factor].1),
            Pick::Table(id) => {
                let largest = self.tables[id.0 as usize][factor].largest;
                place.exists("row", largest, rows as usize)
            }
        }
    }
}

fn rows(terms: &[Term]) -> usize {
    let rows: u64 = terms.iter().map(|term| u64::from(term.rows)).sum();
    usize::try_from(rows).unwrap_or(usize::MAX)
}
