//! Gradients are derivatives: central differences of the loss in double precision, for every kind
//! of parameter, every objective, every regularisation and the inputs under every normalisation.

use std::collections::BTreeMap;

use spn_compiler::Options;
use spn_ir::{Circuit, Formula, LeafFamily, NodeKind, Normalisation, ParameterId};
use spn_runtime::learn::{Objective, Regularization};
use spn_runtime::{Executable, Gradient, GradientOptions};
use spn_testkit::random::{VariableKind, variable_kinds};
use spn_testkit::{CircuitOptions, RowOptions, random_circuit, random_row};

use crate::{batch, executable, flat};

const OBJECTIVES: [Objective; 6] = [
    Objective::Generative,
    Objective::Joint,
    Objective::Discriminative,
    Objective::Hybrid { generative: 0.2 },
    Objective::Hybrid { generative: 0.5 },
    Objective::Hybrid { generative: 0.9 },
];

/// How many circuits, rows of each, and values of each parameter.
const CIRCUITS: u64 = 60;
const ROWS: usize = 3;
const VALUES: usize = 2;

/// A central difference with its first error term removed (Richardson).
fn slope(mut f: impl FnMut(f64) -> f64, x: f64) -> f64 {
    let h = 1e-4 * x.abs().max(1e-2);
    let mut central = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
    (4.0 * central(h / 2.0) - central(h)) / 3.0
}

/// What a parameter is, in the words of the count at the end: who reads it and by which formula.
fn kinds(circuit: &Circuit) -> BTreeMap<ParameterId, String> {
    let mut readers = BTreeMap::new();
    for node in &circuit.nodes {
        match &node.kind {
            NodeKind::Sum(sum) => {
                readers.insert(sum.weights.quantity, "weights");
            }
            NodeKind::Leaf(leaf) => match &leaf.family {
                LeafFamily::LocationScale { location, scale, .. } => {
                    readers.insert(location.quantity, "location");
                    readers.insert(scale.quantity, "scale");
                }
                LeafFamily::Categorical { probabilities, .. } => {
                    readers.insert(probabilities.quantity, "probabilities");
                }
                LeafFamily::Indicator => {}
            },
            NodeKind::Product(_) => {}
        }
    }
    let mut kinds = BTreeMap::new();
    for (id, reader) in readers {
        let quantity = &circuit.quantities[id.index()];
        let formula = match quantity.formula {
            Formula::Direct(_) => "direct",
            Formula::Exp(_) => "exp",
            Formula::Softmax(_) => "softmax",
            Formula::Normalized(_) => "normalized",
            Formula::Softplus(_) => "softplus",
            Formula::Ratio { .. } | Formula::MomentScale { .. } => "moments",
        };
        let bounds = if quantity.bounds.is_some() { " bounded" } else { "" };
        for parameter in quantity.formula.parameters() {
            // Location and scale are made of the same moments.
            let kind = match formula {
                "moments" => formula.to_owned(),
                _ => format!("{reader} {formula}{bounds}"),
            };
            kinds.insert(parameter, kind);
        }
    }
    kinds
}

/// One circuit with rows and labels that fit it.
struct Case {
    circuit: Circuit,
    values: Vec<f64>,
    labels: Vec<u32>,
    regularization: Regularization,
}

impl Case {
    fn new(seed: u64) -> (Self, Executable<f64>) {
        let circuit = random_circuit(seed, &CircuitOptions::gentle());
        let row = |index| random_row(&circuit, seed * 1000 + index, &RowOptions::plain());
        let rows: Vec<Vec<f64>> = (0..ROWS as u64).map(row).collect();
        let values = flat::<f64>(&rows);
        let executable = executable::<f64>(&circuit, &Options::default(), 1);
        let classes = executable.classes() as u64;
        let labels = (0..ROWS as u64).map(|row| ((row + seed) % classes) as u32).collect();
        let regularization = Regularization::default();
        (Self { circuit, values, labels, regularization }, executable)
    }

    fn gradient(
        &self,
        executable: &Executable<f64>,
        objective: Objective,
        values: &[f64],
    ) -> Gradient<f64> {
        let labels = objective.needs_labels().then_some(self.labels.as_slice());
        let regularization = self.regularization;
        let options = GradientOptions {
            objective,
            regularization,
            labels,
            inputs: true,
            ..Default::default()
        };
        executable.gradient(batch(&self.circuit, values), &options).unwrap()
    }

    fn assert_slope(&self, exact: f64, difference: f64, what: &str) {
        let error = (exact - difference).abs() / difference.abs().max(1.0);
        let text = || spn_ir::text::print(&self.circuit);
        assert!(error < 1e-6, "{what}: {exact} but {difference}\n{}", text());
    }
}

/// Compares the gradients of parameters of the wanted kinds; how many of each kind there were.
fn check_parameters(
    regularization: Regularization,
    objectives: &[Objective],
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<String, usize> {
    let mut checked: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..CIRCUITS {
        let (mut case, mut executable) = Case::new(seed);
        case.regularization = regularization;
        let trainable = |id: &ParameterId| case.circuit.parameters.get(*id).trainable;
        let kinds = kinds(&case.circuit).into_iter().filter(|(id, _)| trainable(id));
        for (id, kind) in kinds.filter(|(_, kind)| wanted(kind)) {
            for &objective in objectives {
                let gradient = case.gradient(&executable, objective, &case.values);
                // Discrete rows may be impossible for a class.
                if !gradient.loss.is_finite() {
                    continue;
                }
                let values = executable.parameters()[id.index()].clone();
                for index in (0..values.len()).step_by(values.len().div_ceil(VALUES)) {
                    let loss = |value| {
                        executable.update(|all| all[id.index()][index] = value);
                        case.gradient(&executable, objective, &case.values).loss
                    };
                    let difference = slope(loss, values[index]);
                    executable.update(|all| all[id.index()][index] = values[index]);
                    let what = format!(
                        "seed {seed}, {kind} {id:?}[{index}], {objective:?}, {regularization:?}"
                    );
                    case.assert_slope(gradient.parameters[id.index()][index], difference, &what);
                }
                *checked.entry(kind.clone()).or_default() += 1;
            }
        }
    }
    checked
}

#[test]
fn gradients_of_parameters_are_differences() {
    let checked = check_parameters(Regularization::default(), &OBJECTIVES, |_| true);
    let expected = [
        "weights direct",
        "weights exp",
        "weights softmax",
        "weights normalized",
        "location direct",
        "scale direct",
        "scale direct bounded",
        "scale softplus",
        "scale softplus bounded",
        "moments",
        "probabilities direct",
        "probabilities exp",
    ];
    for kind in expected {
        assert!(checked.get(kind).is_some_and(|count| *count >= 10), "{kind}: {checked:?}");
    }
}

/// Every penalty alone and all together, in every formula of weights.
#[test]
fn gradients_of_penalties_are_differences() {
    let none = Regularization::default();
    let regularizations = [
        Regularization { l1: 0.7, ..none },
        Regularization { l2: 1.3, ..none },
        Regularization { entropy: 0.9, ..none },
        Regularization { l1: 0.3, l2: 0.4, entropy: -0.5 },
    ];
    for regularization in regularizations {
        let weights = |kind: &str| kind.starts_with("weights");
        let checked = check_parameters(regularization, &OBJECTIVES[2..4], weights);
        for formula in ["direct", "exp", "softmax", "normalized"] {
            let kind = format!("weights {formula}");
            assert!(checked.get(&kind).is_some_and(|count| *count >= 10), "{checked:?}");
        }
    }
}

#[test]
fn gradients_of_inputs_are_differences() {
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..CIRCUITS {
        let (case, executable) = Case::new(seed);
        let name = match &case.circuit.normalisation {
            None => "none",
            Some(Normalisation::SampleWise { .. }) => "sample-wise",
            Some(Normalisation::Fixed { .. }) => "fixed",
        };
        let kinds = variable_kinds(&case.circuit);
        // The standard score of a row of one value is 0 whatever the value is.
        if name == "sample-wise" && kinds.len() == 1 {
            continue;
        }
        for objective in OBJECTIVES {
            let gradient = case.gradient(&executable, objective, &case.values);
            if !gradient.loss.is_finite() {
                continue;
            }
            for (index, &value) in case.values.iter().enumerate() {
                if kinds[index % kinds.len()] != VariableKind::Continuous {
                    assert_eq!(gradient.inputs[index], 0.0);
                    continue;
                }
                let mut values = case.values.clone();
                let loss = |value| {
                    values[index] = value;
                    case.gradient(&executable, objective, &values).loss
                };
                let what = format!("seed {seed}, input {index}, {objective:?}, {name}");
                case.assert_slope(gradient.inputs[index], slope(loss, value), &what);
                *checked.entry(name).or_default() += 1;
            }
        }
    }
    for name in ["none", "sample-wise", "fixed"] {
        assert!(checked.get(name).is_some_and(|count| *count >= 30), "{name}: {checked:?}");
    }
}
