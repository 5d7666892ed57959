//! Which counts lead to which parameters.
//!
//! In: a plan. Out: for each quantity its role, the columns that sum to 1, and which location goes
//! with which scale; or why expectation maximisation cannot change a parameter.

use std::collections::BTreeSet;

use spn_ir::plan::{LeafKernel, Plan, Step};
use spn_ir::{Formula, ParameterId, Slice};

use crate::RunError;
use crate::matrices::{WeightMatrix, weight_matrices};
use crate::query::{Role, roles};

/// What is known of a plan before anything is counted.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Of each quantity.
    pub(super) quantities: Vec<QuantityLayout>,
}

/// What is known of one quantity.
#[derive(Clone, Debug, Default)]
pub(super) struct QuantityLayout {
    pub(super) role: Role,
    /// Disjoint matrices whose columns sum to 1, in order; of probabilities one column for each
    /// component and variable.
    pub(super) matrices: Vec<WeightMatrix>,
    /// For each value of a location its scale, for each of a scale its location.
    pub(super) partners: Vec<Partner>,
}

/// The other parameter of a location-scale leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partner {
    pub(super) quantity: usize,
    pub(super) index: usize,
    /// Whether leaves read the value with different partners; this is then the first.
    pub(super) shared: bool,
}

impl Layout {
    /// Looks at a plan.
    ///
    /// # Errors
    /// If a quantity has two roles, or a trainable parameter cannot be computed from counts.
    pub(super) fn new(plan: &Plan) -> Result<Self, RunError> {
        let quantities = roles(plan)?.into_iter().zip(&plan.quantities);
        let quantities = quantities.map(|(role, quantity)| {
            let pairs = matches!(role, Role::Location | Role::Scale);
            let partners = vec![NOBODY; if pairs { quantity.len() } else { 0 }];
            QuantityLayout { role, matrices: Vec::new(), partners }
        });
        let mut layout = Self { quantities: quantities.collect() };
        layout.find_matrices(plan)?;
        layout.find_partners(plan);
        layout.check_formulas(plan)?;
        Ok(layout)
    }

    fn find_matrices(&mut self, plan: &Plan) -> Result<(), RunError> {
        let mut all: BTreeSet<WeightMatrix> = weight_matrices(plan).into_iter().collect();
        for step in &plan.steps {
            let Step::Leaf(step) = step else { continue };
            let LeafKernel::Categorical { states } = step.kernel else { continue };
            for slice in step.instances.iter().filter_map(|instance| instance.first) {
                all.extend((0..step.width * step.dimensions).map(|row| {
                    let offset = slice.offset + row * states;
                    let slice = Slice { offset, ..slice };
                    WeightMatrix { slice, inputs: states as usize, outputs: 1 }
                }));
            }
        }
        for matrix in all {
            let known = &mut self.quantities[matrix.slice.quantity.index()].matrices;
            let end = known.last().map_or(0, WeightMatrix::end);
            if end > matrix.slice.offset as usize {
                let quantity = matrix.slice.quantity.index();
                return Err(RunError::OverlappingWeights { quantity });
            }
            known.push(matrix);
        }
        Ok(())
    }

    fn find_partners(&mut self, plan: &Plan) {
        for step in &plan.steps {
            let Step::Leaf(step) = step else { continue };
            let length = step.width as usize * step.dimensions as usize;
            for instance in &step.instances {
                let (Some(first), Some(second)) = (instance.first, instance.second) else {
                    continue;
                };
                for within in 0..length {
                    self.note_partner(first, second, within);
                    self.note_partner(second, first, within);
                }
            }
        }
    }

    fn note_partner(&mut self, of: Slice, other: Slice, within: usize) {
        let known = &mut self.quantities[of.quantity.index()].partners;
        let known = &mut known[of.offset as usize + within];
        let (quantity, index) = (other.quantity.index(), other.offset as usize + within);
        if *known == NOBODY {
            *known = Partner { quantity, index, shared: false };
        } else if (known.quantity, known.index) != (quantity, index) {
            known.shared = true;
        }
    }

    /// Checks that every trained parameter is computed from the counts of one quantity.
    fn check_formulas(&self, plan: &Plan) -> Result<(), RunError> {
        let mut seen = vec![false; plan.parameters.len()];
        for (quantity, layout) in plan.quantities.iter().zip(&self.quantities) {
            let formula = quantity.formula;
            let trained = || formula.parameters().into_iter().map(|id| plan.parameters.get(id));
            let trained = || trained().find(|parameter| parameter.trainable);
            if layout.role == Role::Unused || trained().is_none() {
                continue;
            }
            let stuck = |reason| {
                let parameter = trained().map_or_else(String::new, |p| p.name.clone());
                Err(RunError::NotMaximizable { parameter, reason })
            };
            let Some(parameters) = maximized(layout.role, formula) else {
                return stuck("its formula does not fit what nodes read it as");
            };
            for id in parameters {
                if std::mem::replace(&mut seen[id.index()], true) {
                    return stuck("several quantities are computed from it");
                }
            }
        }
        Ok(())
    }
}

/// The parameters that counts of a quantity lead to; `None` where there is no way.
fn maximized(role: Role, formula: Formula) -> Option<Vec<ParameterId>> {
    match (role, formula) {
        (Role::Weights, Formula::Exp(id) | Formula::Softmax(id) | Formula::Normalized(id))
        | (Role::Probabilities, Formula::Exp(id))
        | (Role::Scale, Formula::Exp(id) | Formula::Softplus(id))
        | (_, Formula::Direct(id)) => Some(vec![id]),
        (Role::Location, Formula::Ratio { numerator, denominator }) => {
            Some(vec![numerator, denominator])
        }
        (Role::Scale, Formula::MomentScale { second_numerator, second_denominator, .. }) => {
            Some(vec![second_numerator, second_denominator])
        }
        _ => None,
    }
}

const NOBODY: Partner = Partner { quantity: usize::MAX, index: usize::MAX, shared: false };
