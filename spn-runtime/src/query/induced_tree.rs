//! Induced trees: from the root down to leaves, one input at each sum, all factors of each product
//! (Zhao, Poupart and Gordon 2016). Samples and most probable completions are leaves of such trees.
//!
//! In: a plan. Out: [`InducedTrees`], which walks down a tree whose sums are decided by a [`Choose`].
//! Only what the tree reaches is visited: the cost is that of the path, not of the circuit. In a
//! decomposable plan no slot is reached twice, because scopes of factors are disjoint; that is checked
//! once, so that a walk ends whatever the plan.

use spn_ir::plan::{LeafStep, Plan, SlotId, Step, Term};

use crate::RunError;

/// What writes a slot.
#[derive(Clone, Copy, Debug)]
enum Writer {
    /// Something that depends on no variable: nothing below it is of interest.
    Constant,
    /// An instance of a leaf, product or sum step.
    Instance { step: u32, instance: u32 },
    /// A copy of another slot.
    Copy { of: SlotId },
}

/// Where a term begins among the inputs and the factors of its sum.
#[derive(Clone, Copy, Debug, Default)]
struct TermPlace {
    input: u32,
    factor: u32,
}

/// A unit of a sum: where it stands in the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumUnit {
    pub(crate) step: usize,
    pub(crate) instance: usize,
    pub(crate) unit: usize,
}

/// A row of a product: its term, the term's factors and which row.
pub(crate) type Row<'a> = (&'a Term, &'a [SlotId], usize);

/// What lies below the units of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Below<'a> {
    /// Nothing that depends on any variable.
    Nothing,
    /// The same units of another slot.
    Copy(SlotId),
    /// The components of a leaf block: the step and which instance.
    Leaf(&'a LeafStep, usize),
    /// The rows of a product.
    Product(&'a Term, &'a [SlotId]),
    /// The units of a sum.
    Sum { step: usize, instance: usize },
}

/// Decides the sums of a tree and takes its leaves.
pub(crate) trait Choose {
    /// Which of the root's inputs.
    fn joint(&mut self) -> usize;
    /// Which input of a unit of a sum.
    fn input(&mut self, sum: SumUnit) -> usize;
    /// A component of leaf block `place.1` of step `place.0` that the tree ends in.
    fn leaf(&mut self, place: (&LeafStep, usize), component: usize);
}

/// The way down from every slot of a valid plan.
#[derive(Clone, Debug)]
pub(crate) struct InducedTrees {
    writers: Vec<Writer>,
    /// Of each step of sums.
    terms: Vec<Vec<TermPlace>>,
    root: Vec<TermPlace>,
}

/// Units that are still to be visited.
pub(crate) type Stack = Vec<(SlotId, u32)>;

impl InducedTrees {
    /// Checks that the plan is complete and decomposable and finds the ways down.
    ///
    /// # Errors
    /// The problem, if it is not valid.
    pub(crate) fn new(plan: &Plan) -> Result<Self, &'static str> {
        let scopes = Scopes::new(plan)?;
        let mut writers = vec![Writer::Constant; plan.slots.len()];
        for (number, step) in (0_u32..).zip(&plan.steps) {
            for ((slot, instance), index) in step.outputs().zip(0_u32..).zip(0_usize..) {
                writers[slot.index()] = match step {
                    _ if scopes.is_empty(slot) => Writer::Constant,
                    Step::Dropout(step) => Writer::Copy { of: step.instances[index].0 },
                    _ => Writer::Instance { step: number, instance },
                };
            }
        }
        let terms = plan.steps.iter().map(|step| match step {
            Step::SumProduct(step) => places(&step.terms),
            _ => Vec::new(),
        });
        Ok(Self { writers, terms: terms.collect(), root: places(&plan.root.terms) })
    }

    /// Walks down one tree. The plan must be the one it was made for, `stack` is scratch.
    pub(crate) fn walk(&self, plan: &Plan, stack: &mut Stack, choose: &mut impl Choose) {
        stack.clear();
        push(plan, self.joint(plan, choose.joint()), stack);
        while let Some((slot, row)) = stack.pop() {
            match self.below(plan, slot) {
                Below::Nothing => {}
                Below::Copy(of) => stack.push((of, row)),
                Below::Leaf(step, instance) => choose.leaf((step, instance), row as usize),
                Below::Product(term, factors) => {
                    push(plan, Some((term, factors, row as usize)), stack);
                }
                Below::Sum { step, instance } => {
                    let input = choose.input(SumUnit { step, instance, unit: row as usize });
                    push(plan, self.input(plan, (step, instance), input), stack);
                }
            }
        }
    }

    /// What lies below the units of a slot.
    #[inline]
    pub(crate) fn below<'a>(&self, plan: &'a Plan, slot: SlotId) -> Below<'a> {
        let (step, instance) = match self.writers[slot.index()] {
            Writer::Constant => return Below::Nothing,
            Writer::Copy { of } => return Below::Copy(of),
            Writer::Instance { step, instance } => (step as usize, instance as usize),
        };
        match &plan.steps[step] {
            Step::Leaf(leaf) => Below::Leaf(leaf, instance),
            Step::Product(product) => {
                let each = product.term.factors as usize;
                Below::Product(&product.term, &product.factors[instance * each..][..each])
            }
            Step::SumProduct(_) => Below::Sum { step, instance },
            Step::Dropout(_) => Below::Nothing,
        }
    }

    /// Input `input` of the units of a sum: a term, its factors and a row of it.
    #[inline]
    pub(crate) fn input<'a>(
        &self,
        plan: &'a Plan,
        (step, instance): (usize, usize),
        input: usize,
    ) -> Option<Row<'a>> {
        let Step::SumProduct(sum) = &plan.steps[step] else { return None };
        let each = sum.factors.len() / sum.instances.len().max(1);
        find(&sum.terms, &self.terms[step], &sum.factors[instance * each..][..each], input)
    }

    /// Input `joint` of the root.
    pub(crate) fn joint<'a>(&self, plan: &'a Plan, joint: usize) -> Option<Row<'a>> {
        find(&plan.root.terms, &self.root, &plan.root.factors, joint)
    }
}

/// Where the terms of a sum begin.
fn places(terms: &[Term]) -> Vec<TermPlace> {
    let next = |place: &mut TermPlace, term: &Term| {
        let here = *place;
        *place = TermPlace { input: here.input + term.rows, factor: here.factor + term.factors };
        Some(here)
    };
    terms.iter().scan(TermPlace::default(), next).collect()
}

/// The row of a term that is input `input` of a sum.
#[inline]
fn find<'a>(
    terms: &'a [Term],
    places: &[TermPlace],
    factors: &'a [SlotId],
    input: usize,
) -> Option<Row<'a>> {
    let number = places.partition_point(|place| place.input as usize <= input).checked_sub(1)?;
    let (term, place) = (terms.get(number)?, places.get(number)?);
    let factors = &factors[place.factor as usize..][..term.factors as usize];
    Some((term, factors, input - place.input as usize))
}

/// The units that a row of a product multiplies.
#[inline]
pub(crate) fn units<'a>(
    plan: &'a Plan,
    (term, factors, row): Row<'a>,
) -> impl Iterator<Item = (SlotId, u32)> + 'a {
    let picked = move |index| term.pick.row(&plan.tables, index, row) as u32;
    factors.iter().enumerate().map(move |(index, slot)| (*slot, picked(index)))
}

#[inline]
fn push(plan: &Plan, row: Option<Row<'_>>, stack: &mut Stack) {
    stack.extend(row.into_iter().flat_map(|row| units(plan, row)));
}

/// The scope of each slot: a bit for each variable.
struct Scopes {
    words: usize,
    bits: Vec<u64>,
}

const NOT_DECOMPOSABLE: &str = "factors of a product share variables (it is not decomposable)";
const INCOMPLETE: &str = "inputs of a sum have different scopes (it is not complete)";

impl Scopes {
    fn new(plan: &Plan) -> Result<Self, &'static str> {
        let words = (plan.variables as usize).div_ceil(64).max(1);
        let mut scopes = Self { words, bits: vec![0; plan.slots.len() * words] };
        for step in &plan.steps {
            match step {
                Step::Leaf(step) => scopes.set_leaves(step)?,
                Step::Product(step) => {
                    let each = step.term.factors as usize;
                    for (index, output) in step.outputs.iter().enumerate() {
                        let factors = &step.factors[index * each..][..each];
                        let scope = scopes.of_product(factors)?;
                        scopes.set(*output, &scope);
                    }
                }
                Step::SumProduct(step) => {
                    let each = step.factors_each();
                    for (index, instance) in step.instances.iter().enumerate() {
                        let factors = &step.factors[index * each..][..each];
                        let scope = scopes.of_sum(&step.terms, factors)?;
                        scopes.set(instance.output, &scope);
                    }
                }
                Step::Dropout(step) => {
                    for (input, output, _) in &step.instances {
                        let scope = scopes.of(*input).to_vec();
                        scopes.set(*output, &scope);
                    }
                }
            }
        }
        scopes.of_sum(&plan.root.terms, &plan.root.factors)?;
        Ok(scopes)
    }

    fn set_leaves(&mut self, step: &LeafStep) -> Result<(), &'static str> {
        let dimensions = step.dimensions as usize;
        for (index, instance) in step.instances.iter().enumerate() {
            let mut scope = vec![0_u64; self.words];
            for variable in &step.variables[index * dimensions..][..dimensions] {
                let (word, bit) = (variable.index() / 64, 1_u64 << (variable.index() % 64));
                if scope[word] & bit != 0 {
                    return Err(NOT_DECOMPOSABLE);
                }
                scope[word] |= bit;
            }
            self.set(instance.output, &scope);
        }
        Ok(())
    }

    fn of(&self, slot: SlotId) -> &[u64] {
        &self.bits[slot.index() * self.words..][..self.words]
    }

    fn set(&mut self, slot: SlotId, scope: &[u64]) {
        self.bits[slot.index() * self.words..][..self.words].copy_from_slice(scope);
    }

    fn is_empty(&self, slot: SlotId) -> bool {
        self.of(slot).iter().all(|word| *word == 0)
    }

    fn of_product(&self, factors: &[SlotId]) -> Result<Vec<u64>, &'static str> {
        let mut scope = vec![0_u64; self.words];
        for factor in factors {
            for (all, word) in scope.iter_mut().zip(self.of(*factor)) {
                if *all & word != 0 {
                    return Err(NOT_DECOMPOSABLE);
                }
                *all |= word;
            }
        }
        Ok(scope)
    }

    fn of_sum(&self, terms: &[Term], factors: &[SlotId]) -> Result<Vec<u64>, &'static str> {
        let mut scope: Option<Vec<u64>> = None;
        let mut rest = factors;
        for term in terms {
            let (factors, others) = rest.split_at(term.factors as usize);
            let of_term = self.of_product(factors)?;
            if scope.as_ref().is_some_and(|scope| *scope != of_term) {
                return Err(INCOMPLETE);
            }
            (scope, rest) = (Some(of_term), others);
        }
        Ok(scope.unwrap_or_else(|| vec![0; self.words]))
    }
}

/// The error for a question that needs a valid network.
pub(crate) fn needs_valid(query: &'static str) -> impl Fn(&'static str) -> RunError {
    move |problem| RunError::NeedsValidNetwork { query, problem }
}
