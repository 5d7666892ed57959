//! The specification of the reverse pass: flows and gradients, written to be read.
//!
//! In: a circuit, a row and the derivative of some loss with respect to each joint of the root
//! ([`root_joints`](crate::root_joints)). Out: the derivative of that loss with respect to the
//! log-value of every unit (its *flow*), every quantity, every parameter and every input value.
//!
//! A unit of value `-inf` has flow 0 and passes nothing on, so no NaN appears.

use spn_ir::{Circuit, Leaf, LeafFamily, NodeKind, ParameterId, Slice, Sum};

use crate::density::slopes;
use crate::flows::{Counting, Flows};
use crate::normalise::pull_back;
use crate::reference::{EvaluateOptions, Inputs, evaluate_with, joints_of, state, sum_inputs};

/// Derivatives of a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// With respect to the log-value (after dropout) of each unit, `[node][unit]`.
    pub flows: Vec<Vec<f64>>,
    /// With respect to each quantity's values.
    pub quantities: Vec<Vec<f64>>,
    /// With respect to each parameter's values, frozen ones included.
    pub parameters: Vec<Vec<f64>>,
    /// With respect to the input row, one for each variable; 0 where a value is missing.
    pub row: Vec<f64>,
}

/// What is filled node by node.
struct Derivatives<'a> {
    inputs: &'a Inputs<'a>,
    values: &'a [Vec<f64>],
    flows: &'a Flows,
    quantities: Vec<Vec<f64>>,
    /// With respect to the normalised row.
    row: Vec<f64>,
}

/// Gradients of the log-likelihood itself.
#[must_use]
pub fn reverse_log_likelihood(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    options: &EvaluateOptions,
) -> Gradients {
    let joints = joints_of(circuit, &evaluate_with(circuit, row, observed, options));
    let maximum = joints.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    let shares = joints.iter().map(|x| (x - maximum).exp());
    // Without any possible joint there is nothing to share: -inf - -inf would be NaN.
    let seeds: Vec<f64> = match maximum {
        f64::NEG_INFINITY => vec![0.0; joints.len()],
        _ => {
            let total: f64 = shares.clone().sum();
            shares.map(|share| share / total).collect()
        }
    };
    reverse(circuit, row, observed, &seeds, options)
}

/// Gradients of a loss whose derivative with respect to joint `n` is `seeds[n]`.
///
/// A joint of value `-inf` is constant, whatever its seed: in particular a root weight of exactly
/// 0 has gradient 0 (weights inside the network have the gradient `flow · exp(x_i - out)`, also
/// where they are 0).
#[must_use]
pub fn reverse(
    circuit: &Circuit,
    row: &[f64],
    observed: Option<&[bool]>,
    seeds: &[f64],
    options: &EvaluateOptions,
) -> Gradients {
    let values = evaluate_with(circuit, row, observed, options);
    let inputs = Inputs::new(circuit, row, observed, options.statistics);
    let joints = joints_of(circuit, &values);
    let alive = |(&seed, &joint): (&f64, &f64)| if joint == f64::NEG_INFINITY { 0.0 } else { seed };
    let seeds: Vec<f64> = seeds.iter().zip(&joints).map(alive).collect();
    let flows = Flows::new(&inputs, &values, &seeds, Counting::Soft, &options.masks);
    let mut derivatives = Derivatives {
        quantities: inputs.quantities.iter().map(|list| vec![0.0; list.len()]).collect(),
        row: vec![0.0; inputs.row.len()],
        inputs: &inputs,
        values: &values,
        flows: &flows,
    };
    derivatives.root();
    for (id, node) in circuit.iter() {
        for (unit, &flow) in flows.passed[id.index()].iter().enumerate() {
            match &node.kind {
                NodeKind::Leaf(leaf) if flow != 0.0 => derivatives.leaf(leaf, unit, flow),
                NodeKind::Sum(sum) if flow != 0.0 => {
                    let out = inputs.unit(&values, node, unit);
                    derivatives.sum(sum, node.width as usize, unit, out, flow);
                }
                _ => {}
            }
        }
    }
    let Derivatives { quantities, row: normalised, .. } = derivatives;
    let parameters = to_parameters(circuit, &inputs.quantities, &quantities);
    let row = pull_back(circuit, row, observed, options.statistics, &normalised);
    Gradients { flows: flows.units, quantities, parameters, row }
}

impl Derivatives<'_> {
    /// `joint_n = x_n + ln w_n`: the slope is `1 / w_n`.
    fn root(&mut self) {
        let root = self.inputs.circuit.root;
        if let NodeKind::Sum(sum) = &self.inputs.circuit.node(root).kind {
            for (input, &seed) in self.flows.edges[root.index()].iter().enumerate() {
                if seed != 0.0 {
                    let weight = self.inputs.read(sum.weights, input);
                    self.add(sum.weights, input, seed / weight);
                }
            }
        }
    }

    /// `out = ln Σ w_i exp(x_i)`: the slopes are `exp(x_i - out)`.
    fn sum(&mut self, sum: &Sum, width: usize, unit: usize, out: f64, flow: f64) {
        for (input, x) in sum_inputs(sum, self.values).enumerate() {
            self.add(sum.weights, input * width + unit, flow * (x - out).exp());
        }
    }

    fn leaf(&mut self, leaf: &Leaf, unit: usize, flow: f64) {
        let count = leaf.variables.len();
        for (position, variable) in leaf.variables.iter().enumerate() {
            let x = self.inputs.row[variable.index()];
            if x.is_nan() {
                continue;
            }
            let index = unit * count + position;
            match &leaf.family {
                LeafFamily::LocationScale { density, location, scale } => {
                    let read = |slice| self.inputs.read(slice, index);
                    let slopes = slopes(*density, x, read(*location), read(*scale));
                    self.row[variable.index()] += flow * slopes.value;
                    self.add(*location, index, flow * slopes.location);
                    self.add(*scale, index, flow * slopes.scale);
                }
                LeafFamily::Indicator => {}
                LeafFamily::Categorical { states, probabilities } => {
                    if let Some(state) = state(x, *states) {
                        let cell = index * *states as usize + state;
                        let probability = self.inputs.read(*probabilities, cell);
                        self.add(*probabilities, cell, flow / probability);
                    }
                }
            }
        }
    }

    fn add(&mut self, slice: Slice, index: usize, gradient: f64) {
        let total = &mut self.quantities[slice.quantity.index()][slice.offset as usize + index];
        // Only where a weight is 0 can derivatives overflow; 0 times one must stay 0.
        *total = (*total + gradient).clamp(f64::MIN, f64::MAX);
    }
}

/// Pulls gradients of quantities back to the parameters, which several quantities may share.
fn to_parameters(circuit: &Circuit, values: &[Vec<f64>], gradients: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let zeros = |parameter: &spn_ir::Parameter| vec![0.0; parameter.values.len()];
    let mut result: Vec<Vec<f64>> = circuit.parameters.iter().map(|(_, p)| zeros(p)).collect();
    let read = |id: ParameterId| circuit.parameters.get(id).values.as_slice();
    for ((quantity, values), gradient) in circuit.quantities.iter().zip(values).zip(gradients) {
        let pulled = quantity.pull_back(values, gradient, &read);
        for (id, gradient) in quantity.formula.parameters().into_iter().zip(pulled) {
            for (total, g) in result[id.index()].iter_mut().zip(gradient) {
                *total += g;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::compare_each;
    use crate::random::{CircuitOptions, RowOptions, random_circuit, random_row};
    use crate::reference::log_likelihood;

    /// Rows of gentle circuits, without dropout masks.
    fn each_case(mut check: impl FnMut(&Circuit, &[f64], &Gradients)) {
        let rows = RowOptions { odd_states: 0.0, large: 0.0, ..RowOptions::default() };
        for seed in 0..100 {
            let circuit = random_circuit(seed, &CircuitOptions::gentle());
            let row = random_row(&circuit, seed, &rows);
            let options = EvaluateOptions::default();
            let gradients = reverse_log_likelihood(&circuit, &row, None, &options);
            if log_likelihood(&circuit, &row, None) == f64::NEG_INFINITY {
                assert!(gradients.parameters.iter().flatten().all(|g| *g == 0.0));
                continue;
            }
            check(&circuit, &row, &gradients);
        }
    }

    /// `(f(x + h) - f(x - h)) / 2h`, improved once by Richardson's extrapolation.
    fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let central = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
        let h = 1e-4 * x.abs().max(1e-2);
        (4.0 * central(h / 2.0) - central(h)) / 3.0
    }

    #[test]
    fn parameter_gradients_agree_with_differences() {
        each_case(|circuit, row, gradients| {
            for (id, parameter) in circuit.parameters.iter() {
                let differences: Vec<f64> = (0..parameter.values.len())
                    .map(|index| {
                        let at = |value: f64| {
                            let mut shifted = circuit.clone();
                            shifted.parameters.get_mut(id).values[index] = value;
                            log_likelihood(&shifted, row, None)
                        };
                        slope(at, parameter.values[index])
                    })
                    .collect();
                compare_each(&gradients.parameters[id.index()], &differences, 1e-5).unwrap();
            }
        });
    }

    #[test]
    fn row_gradients_agree_with_differences() {
        each_case(|circuit, row, gradients| {
            let kinds = crate::random::variable_kinds(circuit);
            for (index, kind) in kinds.into_iter().enumerate() {
                if row[index].is_nan() || kind != crate::random::VariableKind::Continuous {
                    assert_eq!(gradients.row[index], 0.0);
                    continue;
                }
                let at = |value: f64| {
                    let mut shifted = row.to_vec();
                    shifted[index] = value;
                    log_likelihood(circuit, &shifted, None)
                };
                let difference = slope(at, row[index]);
                compare_each(&[gradients.row[index]], &[difference], 1e-4).unwrap();
            }
        });
    }

    #[test]
    fn flows_of_an_unobserved_row_are_one_for_each_variable() {
        for seed in 0..300 {
            let circuit = random_circuit(seed, &CircuitOptions::default());
            let row = vec![f64::NAN; circuit.variables as usize];
            let gradients =
                reverse_log_likelihood(&circuit, &row, None, &EvaluateOptions::default());
            let mut totals = vec![0.0; circuit.variables as usize];
            for (node, flows) in circuit.nodes.iter().zip(&gradients.flows) {
                if let NodeKind::Leaf(leaf) = &node.kind {
                    let total: f64 = flows.iter().sum();
                    leaf.variables.iter().for_each(|v| totals[v.index()] += total);
                }
            }
            compare_each(&totals, &vec![1.0; totals.len()], 1e-9).unwrap();
        }
    }

    #[test]
    fn nothing_is_nan_whatever_the_evidence() {
        let rows = RowOptions { odd_states: 0.5, large: 0.3, ..RowOptions::default() };
        for seed in 0..500 {
            let circuit = random_circuit(seed, &CircuitOptions::default());
            let row = random_row(&circuit, seed, &rows);
            let options = EvaluateOptions::default();
            let values = evaluate_with(&circuit, &row, None, &options);
            let gradients = reverse_log_likelihood(&circuit, &row, None, &options);
            let Gradients { flows, quantities, parameters, row } = &gradients;
            let lists = flows.iter().chain(quantities).chain(parameters).chain([row]);
            assert!(lists.chain(&values).flatten().all(|x| !x.is_nan()), "seed {seed}");
            for (value, flow) in values.iter().flatten().zip(flows.iter().flatten()) {
                assert!(*value != f64::NEG_INFINITY || *flow == 0.0, "seed {seed}");
            }
        }
    }

    #[test]
    fn masks_are_part_of_the_derivative() {
        let mut used = 0;
        for seed in 0..200 {
            let circuit = random_circuit(seed, &CircuitOptions::gentle());
            let row = random_row(&circuit, seed, &RowOptions::plain());
            let mut options = EvaluateOptions::default();
            for (id, node) in circuit.iter().filter(|(_, node)| node.dropout.is_some()) {
                let kept = (0..node.width as u64).map(|unit| (seed + unit) % 3 != 0).collect();
                options.masks.insert(id, kept);
                used += 1;
            }
            let Some((id, parameter)) = circuit.parameters.iter().next() else { continue };
            let differences: Vec<f64> = (0..parameter.values.len())
                .map(|index| {
                    let at = |value: f64| {
                        let mut shifted = circuit.clone();
                        shifted.parameters.get_mut(id).values[index] = value;
                        let values = evaluate_with(&shifted, &row, None, &options);
                        let joints = joints_of(&shifted, &values);
                        joints.iter().map(|x| x.exp()).sum::<f64>().ln()
                    };
                    slope(at, parameter.values[index])
                })
                .map(|slope| if slope.is_nan() { 0.0 } else { slope })
                .collect();
            let gradients = reverse_log_likelihood(&circuit, &row, None, &options);
            compare_each(&gradients.parameters[id.index()], &differences, 1e-4).unwrap();
        }
        assert!(used > 50);
    }
}
