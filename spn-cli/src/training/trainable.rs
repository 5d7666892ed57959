//! Can a model be trained?
//!
//! In: a model and a method. Out: nothing, or what stands against it. Layers project their weights
//! after each step, and expectation maximisation normalises what it counts. A circuit file may leave
//! its weights without a constraint; a gradient step would then make a network of it that is not
//! normalised, so this is refused before, not after, the work.

use spn_ir::{Circuit, Formula, LeafFamily, NodeKind, ParameterId};
use spn_runtime::learn::Method;

use super::MethodName;
use crate::Failure;
use crate::model::{LoadedModel, ModelKind};

/// Checks that the model has something to train and stays valid when it is trained.
pub(crate) fn check_trainable(model: &LoadedModel, method: &Method) -> Result<(), Failure> {
    let parameters = match &model.kind {
        ModelKind::Plan(_) => {
            let problem = "a compiled plan cannot be trained; train the model it was compiled from";
            return Err(Failure::misuse(problem).in_file(&model.path));
        }
        ModelKind::Layers(layers) => &layers.parameters,
        ModelKind::Dynamic(dynamic) => &dynamic.parameters,
        ModelKind::Circuit(circuit) => {
            if !MethodName::of(method).counts() {
                check_circuit(circuit).map_err(|failure| failure.in_file(&model.path))?;
            }
            &circuit.parameters
        }
    };
    if parameters.trainable_values() == 0 {
        return Err(Failure::misuse("it has no trainable parameters").in_file(&model.path));
    }
    Ok(())
}

/// Checks that everything that must sum to 1 is brought back to that after a step.
fn check_circuit(circuit: &Circuit) -> Result<(), Failure> {
    let distributions = circuit.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sum(sum) => Some((sum.weights, "-2")),
        NodeKind::Leaf(leaf) => match leaf.family {
            LeafFamily::Categorical { probabilities, .. } => Some((probabilities, "-1")),
            _ => None,
        },
        NodeKind::Product(_) => None,
    });
    for (slice, axis) in distributions {
        let Some(quantity) = circuit.quantities.get(slice.quantity.index()) else { continue };
        if let Some(parameter) = unprotected(circuit, quantity.formula) {
            let name = &circuit.parameters.get(parameter).name;
            return Err(Failure::misuse(format!(
                "the parameter `{name}` holds probabilities, but has no constraint that keeps \
                 their sum at 1 when gradients change it; in .spn text give each sum's a \
                 parameter of its own with constraint=greater-equal-normalized(1e-10, {axis}), or \
                 make it frozen; or use --method em"
            )));
        }
    }
    Ok(())
}

/// The parameter that a step would change without any normalisation.
fn unprotected(circuit: &Circuit, formula: Formula) -> Option<ParameterId> {
    let (Formula::Direct(id) | Formula::Exp(id)) = formula else { return None };
    let parameter = circuit.parameters.get(id);
    (parameter.trainable && parameter.constraint.is_none()).then_some(id)
}
