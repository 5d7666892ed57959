//! Dynamic networks of one length, and what each application of a layer is sent.
//!
//! The reference computes the signals of expectation maximisation where a layer is applied, in each
//! step by itself, and adds up what it has computed. So uses are counted in a circuit in which every
//! sum has weights of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use spn_compiler::Options;
use spn_ir::layers::DynamicModel;
use spn_ir::plan::Plan;
use spn_ir::{Circuit, Formula, NodeKind, ParameterId};
use spn_runtime::{CountOptions, Executable, GradientOptions, Number, QuantityCounts, Rows};

use crate::case::text_of;
use crate::machine::widen;
use crate::setup::compile;

/// A parameter, and which application of its layer: 0 is the last one.
pub(crate) type Application = (usize, usize);

/// What is sent to applications.
pub(crate) type Sent = BTreeMap<Application, Vec<f64>>;

/// The plans of one length.
pub(crate) struct Unrolled {
    pub(crate) plan: Arc<Plan>,
    pub(crate) with_steps: Arc<Plan>,
    /// With weights for each application, and which application each parameter is of.
    pub(crate) untied: Arc<Plan>,
    applications: BTreeMap<ParameterId, Application>,
}

impl Unrolled {
    /// The network for sequences of `length` of the `steps` that others have.
    pub(crate) fn new(model: &DynamicModel, length: usize, steps: usize) -> Result<Self, String> {
        let unrolled =
            if length < steps { model.unroll_padded(length) } else { model.unroll(length) };
        let unrolled = unrolled.map_err(text_of)?;
        let plan = compile(&unrolled.circuit, &Options::default())?;
        let options = Options { outputs: unrolled.steps, ..Options::default() };
        let with_steps = compile(&unrolled.circuit, &options)?;
        let (untied, applications) = untie(&unrolled.circuit);
        let untied = compile(&untied, &Options::default())?;
        Ok(Self { plan, with_steps, untied, applications })
    }

    /// Adds the gradient of the mean over some rows, times a factor.
    pub(crate) fn add_gradient<E: Number>(
        executable: &Executable<E>,
        rows: Rows<'_, E>,
        factor: f64,
        sent: &mut Sent,
    ) -> Result<(), String> {
        let gradient = executable.gradient(rows, &GradientOptions::default()).map_err(text_of)?;
        for (parameter, values) in gradient.parameters.iter().enumerate() {
            add(sent, (parameter, 0), factor, &widen(values));
        }
        Ok(())
    }

    /// Adds the uses of weights; `executable` is of the untied plan.
    pub(crate) fn add_counts<E: Number>(
        &self,
        executable: &Executable<E>,
        rows: Rows<'_, E>,
        options: &CountOptions<'_, E>,
        sent: &mut Sent,
    ) -> Result<(), String> {
        let counts = executable.counts(rows, options).map_err(text_of)?;
        for (quantity, counts) in executable.plan().quantities.iter().zip(&counts.quantities) {
            let application = self.applications.get(&quantity.formula.parameters()[0]);
            if let (Some(&application), QuantityCounts::Weights(uses)) = (application, counts) {
                add(sent, application, 1.0, &widen(uses));
            }
        }
        Ok(())
    }
}

fn add(sent: &mut Sent, application: Application, factor: f64, values: &[f64]) {
    let total = sent.entry(application).or_default();
    total.resize(values.len(), 0.0);
    total.iter_mut().zip(values).for_each(|(total, value)| *total += factor * value);
}

/// Gives every sum a copy of its weights. Sums that read the same ones are applications of one
/// layer, the later the nearer to the end.
fn untie(circuit: &Circuit) -> (Circuit, BTreeMap<ParameterId, Application>) {
    let mut untied = circuit.clone();
    let mut applications = BTreeMap::new();
    let mut readers = BTreeMap::new();
    for (index, node) in untied.nodes.iter_mut().enumerate().rev() {
        let NodeKind::Sum(sum) = &mut node.kind else { continue };
        let mut quantity = circuit.quantities[sum.weights.quantity.index()].clone();
        let (Formula::Direct(id) | Formula::Normalized(id)) = &mut quantity.formula else {
            continue;
        };
        let later: &mut usize = readers.entry(sum.weights).or_default();
        let original = *id;
        let mut parameter = circuit.parameters.get(original).clone();
        parameter.name = format!("{} of node {index}", parameter.name);
        *id = untied.parameters.add(parameter);
        applications.insert(*id, (original.index(), *later));
        *later += 1;
        sum.weights.quantity.0 = untied.quantities.len() as u32;
        untied.quantities.push(quantity);
    }
    (untied, applications)
}
