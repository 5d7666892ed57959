//! Networks of a case: its architecture with the parameters of one of its set-ups.

use std::sync::Arc;

use serde_json::{Value, json};
use spn_compiler::{Options, ProblemKind};
use spn_ir::layers::{BuildOptions, Layer, Lowered, Model, Network};
use spn_ir::plan::Plan;
use spn_ir::{Circuit, Formula, NodeId, Parameters, Quantity};

use crate::case::{Case, text_of};
use crate::formula::Formulas;

/// What the parameters are kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Log weights.
    Log,
    /// Linear weights.
    Linear,
    /// Linear weights, leaves as moment accumulators.
    Accumulators,
}

impl Setup {
    /// The group of arrays that holds the parameters.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Log => "params_log",
            Self::Linear => "params_lin",
            Self::Accumulators => "params_acc",
        }
    }

    /// Sets the options of layers that make the difference.
    pub(crate) fn apply(self, layers: &mut [Layer]) {
        let log = Some(self == Self::Log);
        let accumulators = self == Self::Accumulators;
        for layer in layers {
            match layer {
                Layer::DenseSum(sum) => sum.0.logspace_accumulators = log,
                Layer::Local2DSum(sum) => sum.0.logspace_accumulators = log,
                Layer::Conv2DSum(sum) => sum.0.logspace_accumulators = log,
                Layer::RootSum(root) => {
                    root.logspace_accumulators = log;
                    root.return_weighted_child_logits = false;
                }
                Layer::NormalLeaf(leaf) => leaf.0.use_accumulators = accumulators,
                Layer::CauchyLeaf(leaf) => leaf.0.use_accumulators = accumulators,
                Layer::LaplaceLeaf(leaf) => leaf.0.use_accumulators = accumulators,
                _ => {}
            }
        }
    }
}

/// The network of a case, as described.
pub(crate) fn network(case: &Case) -> Result<Network, String> {
    let layers = case.entry("architecture")?;
    let mut file = json!({ "layers": layers });
    let in_first_layer = layers.get(0).is_some_and(|layer| layer.get("input_shape").is_some());
    if !in_first_layer {
        let shape = case.entry("input")?.get("shape").and_then(Value::as_array);
        let shape = shape.filter(|shape| !shape.is_empty()).ok_or("the input has no shape")?;
        file["variables"] = json!(shape[1..]);
    }
    Network::from_json(&file.to_string()).map_err(text_of)
}

/// The case's network with the parameters of a set-up.
pub(crate) fn model(case: &Case, setup: Setup) -> Result<Model, String> {
    let mut network = network(case)?;
    setup.apply(&mut network.layers);
    let mut model = build(&network)?;
    if let Some(formulas) = Formulas::of(case)? {
        formulas.fill(setup, &mut model.parameters)?;
    } else {
        let groups = [setup.group(), Setup::Log.group()];
        fill(case, &groups, &mut model.parameters, &str::to_owned)?;
    }
    Ok(model)
}

/// Builds a network. Parameters that are drawn, and so must be given by the case, are emptied.
pub(crate) fn build(network: &Network) -> Result<Model, String> {
    let with_seed = |seed| network.build(&BuildOptions { seed, data: None }).map_err(text_of);
    let mut model = with_seed(0)?;
    let other = with_seed(1)?;
    forget_drawn(&mut model.parameters, &other.parameters);
    Ok(model)
}

/// Empties the trainable parameters and those that differ from another drawing.
pub(crate) fn forget_drawn(parameters: &mut Parameters, other: &Parameters) {
    let others: Vec<Vec<f64>> = other.iter().map(|(_, p)| p.values.clone()).collect();
    for (id, values) in ids(parameters).zip(others) {
        let parameter = parameters.get_mut(id);
        if parameter.trainable || parameter.values != values {
            parameter.values.clear();
        }
    }
}

/// The ids of all parameters.
pub(crate) fn ids(parameters: &Parameters) -> impl Iterator<Item = spn_ir::ParameterId> + use<> {
    let ids: Vec<_> = parameters.iter().map(|(id, _)| id).collect();
    ids.into_iter()
}

/// Takes parameters from the arrays `<group>/<name>` of the first group that has them; groups
/// behind the first are for what training does not change. `stored` gives the array's name of a
/// parameter's.
pub(crate) fn fill(
    case: &Case,
    groups: &[&str],
    parameters: &mut Parameters,
    stored: &dyn Fn(&str) -> String,
) -> Result<(), String> {
    for id in ids(parameters) {
        let parameter = parameters.get_mut(id);
        let groups = if parameter.trainable { &groups[..1] } else { groups };
        let keys = groups.iter().map(|group| format!("{group}/{}", stored(&parameter.name)));
        let Some(key) = keys.clone().find(|key| case.has(key)) else {
            if parameter.values.is_empty() {
                return Err(format!("no array gives {}", keys.collect::<Vec<_>>().join(" or ")));
            }
            continue;
        };
        let array = case.input(&key)?;
        if array.shape != parameter.shape {
            let (found, expected) = (&array.shape, &parameter.shape);
            return Err(format!("`{key}` has the shape {found:?}, the parameter {expected:?}"));
        }
        parameter.values.clone_from(&array.values);
    }
    Ok(())
}

/// A plan, and what the gradient of each of its parameters is to be multiplied by.
pub(crate) type Factored = (Arc<Plan>, Vec<f64>);

/// A network that is ready for questions.
pub(crate) struct Prepared {
    /// Its parameters' names and order.
    pub(crate) model: Model,
    /// The circuit and what the layers have become.
    pub(crate) lowered: Lowered,
    /// The plan without outputs.
    pub(crate) plan: Arc<Plan>,
    allow_invalid: bool,
}

impl Prepared {
    /// Lowers and compiles a model.
    pub(crate) fn new(case: &Case, model: Model) -> Result<Self, String> {
        let lowered = model.lower().map_err(text_of)?;
        let allow_invalid = may_be_invalid(case) || is_only_unnormalised(&lowered.circuit);
        let options = Options { allow_invalid, ..Options::default() };
        let plan = compile(&lowered.circuit, &options)?;
        Ok(Self { model, lowered, plan, allow_invalid })
    }

    /// The same network with its weights normalised beforehand instead of when they are read, if it
    /// has such weights; and for each parameter what its gradient is to be multiplied by. Gradients
    /// of weights that are normalised when they are read are differences: of these gradients and
    /// their mean.
    pub(crate) fn with_normalised_weights(&self) -> Result<Option<Factored>, String> {
        let read = |quantity: &Quantity| {
            matches!(quantity.formula, Formula::Softmax(_) | Formula::Normalized(_))
        };
        if !self.lowered.circuit.quantities.iter().any(read) {
            return Ok(None);
        }
        let mut circuit = self.lowered.circuit.clone();
        let mut factors = vec![0.0; circuit.parameters.len()];
        for quantity in &mut circuit.quantities {
            let (id, formula) = match quantity.formula {
                Formula::Softmax(id) => (id, Formula::Exp(id)),
                Formula::Normalized(id) => (id, Formula::Direct(id)),
                _ => continue,
            };
            let mut values = quantity.evaluate(&circuit.parameters);
            let stored = &circuit.parameters.get(id).values;
            factors[id.index()] = if formula == Formula::Direct(id) {
                let scales = values.iter().zip(stored).map(|(value, stored)| value / stored);
                scales.fold(0.0, f64::max)
            } else {
                values.iter_mut().for_each(|weight| *weight = weight.ln());
                1.0
            };
            circuit.parameters.get_mut(id).values = values;
            quantity.formula = formula;
        }
        let options = Options { allow_invalid: true, ..Options::default() };
        Ok(Some((compile(&circuit, &options)?, factors)))
    }

    /// The plan that keeps the values of some nodes.
    pub(crate) fn with_outputs(&self, outputs: Vec<NodeId>) -> Result<Arc<Plan>, String> {
        let allow_invalid = self.allow_invalid;
        compile(&self.lowered.circuit, &Options { allow_invalid, outputs, ..Options::default() })
    }
}

/// Compiles a circuit.
pub(crate) fn compile(circuit: &Circuit, options: &Options) -> Result<Arc<Plan>, String> {
    spn_compiler::compile(circuit, options).map(Arc::new).map_err(text_of)
}

/// Whether nothing is wrong but that stored weights do not sum to 1. Some cases have such weights
/// where the reference trusts them to be normalised, and so computes with them as they are.
fn is_only_unnormalised(circuit: &Circuit) -> bool {
    let report = spn_compiler::check(circuit);
    report.problems.iter().all(|p| matches!(p.kind, ProblemKind::NotNormalised { .. }))
}

/// Whether the case says that its network is not one that the checks let through.
pub(crate) fn may_be_invalid(case: &Case) -> bool {
    let note = case.json.get("note").and_then(Value::as_str).unwrap_or_default();
    note.contains("need not be a valid SPN")
}
