//! What nodes read each quantity as, and with that what is counted for it.

use spn_ir::plan::{LeafKernel, Plan, Step};
use spn_ir::{QuantityId, Slice};

use crate::RunError;
use crate::kernels::leaf::{LOCATION_STATISTICS, SCALE_STATISTICS};

/// What a quantity is read as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// By nobody.
    #[default]
    Unused,
    /// Weights of sums.
    Weights,
    /// Locations of leaves.
    Location,
    /// Scales of leaves.
    Scale,
    /// Probabilities of states.
    Probabilities,
}

impl Role {
    /// How many numbers are counted for each value.
    pub(crate) fn planes(self) -> usize {
        match self {
            Self::Unused => 0,
            Self::Weights | Self::Probabilities => 1,
            Self::Location => LOCATION_STATISTICS,
            Self::Scale => SCALE_STATISTICS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unused => "nothing",
            Self::Weights => "weights of sums",
            Self::Location => "locations of leaves",
            Self::Scale => "scales of leaves",
            Self::Probabilities => "probabilities of states",
        }
    }
}

/// The role of each quantity of a plan.
///
/// # Errors
/// If one has two.
pub(crate) fn roles(plan: &Plan) -> Result<Vec<Role>, RunError> {
    let mut roles = vec![Role::Unused; plan.quantities.len()];
    let mut note = |Slice { quantity, .. }: Slice, role: Role| {
        let QuantityId(number) = quantity;
        let known = &mut roles[number as usize];
        if *known != Role::Unused && *known != role {
            let (first, second) = (known.name(), role.name());
            return Err(RunError::TwoRoles { quantity: number as usize, first, second });
        }
        *known = role;
        Ok(())
    };
    if let Some(slice) = plan.root.weights {
        note(slice, Role::Weights)?;
    }
    for step in &plan.steps {
        match step {
            Step::SumProduct(step) => {
                for instance in &step.instances {
                    note(instance.weights, Role::Weights)?;
                }
            }
            Step::Leaf(step) => {
                let (first, second) = match step.kernel {
                    LeafKernel::LocationScale(_) => (Role::Location, Role::Scale),
                    LeafKernel::Categorical { .. } => (Role::Probabilities, Role::Unused),
                    LeafKernel::Indicator => continue,
                };
                for instance in &step.instances {
                    for (slice, role) in [(instance.first, first), (instance.second, second)] {
                        slice.map_or(Ok(()), |slice| note(slice, role))?;
                    }
                }
            }
            Step::Product(_) | Step::Dropout(_) => {}
        }
    }
    Ok(roles)
}
