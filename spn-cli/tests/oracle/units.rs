//! The parts by themselves: constraints, initialisers, losses and metrics, normalisation, leaf
//! densities. What is asked for stands in the arrays' names.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use spn_compiler::Options;
use spn_ir::layers::{BuildOptions, Model, Network};
use spn_ir::{Initializer, InitializerRequest, LeafData, NamedConstraint};
use spn_runtime::learn::Objective;
use spn_runtime::{Number, Rows, Statistics};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::inputs::Probe;
use crate::machine::{Job, Machine, everywhere, narrow, widen};
use crate::setup::compile;

/// Where what needs no machine is computed.
const HERE: &str = "f64";

/// Compares all groups of a case; a group that is not known here stays, and so is a failure.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    type Comparison = fn(&Case) -> Result<(), String>;
    let groups: [(&str, Comparison); 6] = [
        ("constraint/", constraints),
        ("initializer/", initializers),
        ("poon_domingos/", quantiles),
        ("loss/", losses),
        ("normalize/", normalizations),
        ("leaf/", densities),
    ];
    for (group, compare) in groups {
        if case.has_in(group) {
            compare(case).map_err(|problem| format!("{group}: {problem}"))?;
        }
    }
    Ok(())
}

/// A name such as `Equidistant_-2_3_1x4`: options by position, `axis-1`, `eps0.5`, a shape.
struct Named<'a> {
    name: &'a str,
    numbers: Vec<f64>,
    axis: Option<i64>,
    epsilon: Option<f64>,
    shape: Vec<usize>,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let mut words = text.split('_');
        let name = words.next().unwrap_or_default();
        let mut named =
            Self { name, numbers: Vec::new(), axis: None, epsilon: None, shape: Vec::new() };
        for word in words {
            if let Some(axis) = word.strip_prefix("axis") {
                named.axis = Some(axis.parse().map_err(text_of)?);
            } else if let Some(epsilon) = word.strip_prefix("eps") {
                named.epsilon = Some(epsilon.parse().map_err(text_of)?);
            } else if word.contains('x') {
                let lengths = word.split('x').map(|length| length.parse().map_err(text_of));
                named.shape = lengths.collect::<Result<_, String>>()?;
            } else {
                named
                    .numbers
                    .push(word.parse().map_err(|_| format!("`{text}`: what is `{word}`?"))?);
            }
        }
        Ok(named)
    }

    /// The JSON form, with the names that numbers have by their position.
    fn to_json(&self, positions: &[&str]) -> Result<Value, String> {
        if self.numbers.len() > positions.len() {
            return Err(format!("{} has {} numbers", self.name, self.numbers.len()));
        }
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        for (position, number) in positions.iter().zip(&self.numbers) {
            object.insert((*position).to_owned(), json!(number));
        }
        if let Some(axis) = self.axis {
            object.insert("axis".to_owned(), json!(axis));
        }
        if let Some(epsilon) = self.epsilon {
            object.insert("epsilon".to_owned(), json!(epsilon));
        }
        Ok(Value::Object(object))
    }
}

/// The last part of a name.
fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

fn constraints(case: &Case) -> Result<(), String> {
    let input = case.input("constraint/in")?;
    for key in case.keys_in("constraint/").filter(|key| *key != "constraint/in") {
        let named = Named::parse(last_part(key))?;
        let positions: &[&str] = if named.name == "Clip" { &["min", "max"] } else { &["epsilon"] };
        let constraint: NamedConstraint =
            serde_json::from_value(named.to_json(positions)?).map_err(text_of)?;
        // Logarithms lose the digits of their sum, all others change each value by itself.
        let log = named.name == "LogNormalized";
        let kind = if log { Kind::LogProbability } else { Kind::Elementwise };
        let mut values = input.values.clone();
        constraint.0.apply(&input.shape, &mut values);
        case.compare_shaped(key, kind, "f64", (&input.shape, &values));
        let mut values = narrow::<f32>(&input.values);
        constraint.0.apply(&input.shape, &mut values);
        case.compare_shaped(key, kind, "f32", (&input.shape, &widen(&values)));
    }
    Ok(())
}

fn initializers(case: &Case) -> Result<(), String> {
    for key in case.keys_in("initializer/") {
        let named = Named::parse(last_part(key))?;
        let positions: &[&str] =
            if named.name == "Equidistant" { &["minval", "maxval"] } else { &["epsilon"] };
        let initializer: Initializer =
            serde_json::from_value(named.to_json(positions)?).map_err(text_of)?;
        let request = InitializerRequest { shape: &named.shape, seed: 0, stream: 0, data: None };
        let values = initializer.initialize(&request).map_err(text_of)?;
        case.compare_shaped(key, Kind::Value, HERE, (&named.shape, &values));
    }
    Ok(())
}

fn quantiles(case: &Case) -> Result<(), String> {
    let data_keys = case.keys_in("poon_domingos/").filter_map(|key| key.strip_suffix("/data"));
    for group in data_keys {
        let data = case.input(&format!("{group}/data"))?;
        let &[rows, height, width, dimensions] = data.shape.as_slice() else {
            return Err(format!("{group}: data of shape {:?}", data.shape));
        };
        let cells = [height, width];
        let data = LeafData { rows, cells: &cells, dimensions, values: &data.values };
        for (statistic, initializer) in [
            ("mean", Initializer::PoonDomingosMeanOfQuantileSplit),
            ("stddev", Initializer::PoonDomingosStddevOfQuantileSplit { minimum: 0.0 }),
        ] {
            let key = format!("{group}/{statistic}");
            let Some(expected) = case.expected(&key) else { continue };
            let shape = &expected.shape;
            let request = InitializerRequest { shape, seed: 0, stream: 0, data: Some(&data) };
            let values = initializer.initialize(&request).map_err(text_of)?;
            case.compare_shaped(&key, Kind::Value, HERE, (shape, &values));
        }
    }
    Ok(())
}

/// Losses are means over the rows, weighted ones are divided by the number of rows all the same
/// (Keras); metrics have the other sign and are weighted means.
fn losses(case: &Case) -> Result<(), String> {
    let logits = case.input("loss/logits")?;
    let labels = case.labels("loss/y")?;
    let weights = &case.input("loss/sample_weight")?.values;
    let classes = logits.shape.last().copied().unwrap_or(1);
    let rows = labels.len() as f64;
    for (objective, loss, metric) in [
        (Objective::Joint, "NegativeLogJoint", "LogJoint"),
        (Objective::Generative, "NegativeLogLikelihood", "LogLikelihood"),
    ] {
        let losses = logits.values.chunks_exact(classes).zip(&labels);
        let losses: Vec<f64> =
            losses.map(|(joints, &label)| objective.loss(joints, label as usize)).collect();
        let total: f64 = losses.iter().sum();
        let weighted: f64 = losses.iter().zip(weights).map(|(loss, weight)| loss * weight).sum();
        let weight: f64 = weights.iter().sum();
        for (key, value) in [
            (format!("loss/{loss}"), total / rows),
            (format!("loss/{loss}/weighted"), weighted / rows),
            (format!("metric/{metric}"), -total / rows),
            (format!("metric/{metric}/weighted"), -weighted / weight),
        ] {
            case.compare(&key, Kind::LogProbability, HERE, &[value]);
        }
    }
    Ok(())
}

/// Normalised values and the statistics behind them.
fn normalizations(case: &Case) -> Result<(), String> {
    let input = case.input("normalize/x")?;
    let shape = input.shape.get(1..).unwrap_or_default();
    let keys = case.keys_in("normalize/").filter(|key| *key != "normalize/x");
    let kinds: BTreeSet<&str> = keys.filter_map(|key| key.split('/').nth(1)).collect();
    for axes in kinds {
        let mut layer = json!({ "type": "NormalizeStandardScore", "axes": axes });
        if let Some(epsilon) = epsilon(case, axes)? {
            layer["normalization_epsilon"] = json!(epsilon);
        }
        if axes != "sample-wise" {
            layer["adapt_data"] = json!(input.values);
        }
        let model =
            model(shape, vec![layer, json!({ "type": "NormalLeaf", "num_components": 1 })])?;
        let (values, columns) = (input.values.as_slice(), shape.iter().product());
        let job = Normalization { case, axes, model, values, columns, shape: &input.shape };
        everywhere(&job)?;
    }
    Ok(())
}

/// What was added to the deviations. No entry says it, so it is the power of ten that explains the
/// largest score, if it is large enough to show; all scores are compared with it.
fn epsilon(case: &Case, axes: &str) -> Result<Option<f64>, String> {
    let part = |name: &str| {
        let key = format!("normalize/{axes}/{name}");
        case.expected(&key).ok_or_else(|| format!("there is no array `{key}`"))
    };
    let (scores, mean, deviation) = (part("out")?, part("mean")?, part("stddev")?);
    let inputs = &case.input("normalize/x")?.values;
    let columns = inputs.len() / scores.shape.first().copied().unwrap_or(1).max(1);
    let largest = |best: usize, index: usize| {
        if scores.values[index].abs() > scores.values[best].abs() { index } else { best }
    };
    let index = (0..scores.values.len()).fold(0, largest);
    let place = match axes {
        "sample-wise" => index / columns,
        "variable-wise" => index % columns,
        _ => 0,
    };
    let at = |array: &[f64]| array.get(place).copied().ok_or("statistics of a wrong shape");
    let (mean, deviation) = (at(&mean.values)?, at(&deviation.values)?);
    let added = (inputs[index] - mean) / scores.values[index] - deviation;
    let shows = added > 1e-4 * deviation;
    Ok(shows.then(|| 10_f64.powf(added.log10().round())))
}

/// A network of some layers below a root over everything.
fn model(shape: &[usize], mut layers: Vec<Value>) -> Result<Model, String> {
    layers.extend([json!({ "type": "SpatialToRegions" }), json!({ "type": "RootSum" })]);
    let file = json!({ "variables": shape, "layers": layers }).to_string();
    let network = Network::from_json(&file).map_err(text_of)?;
    network.build(&BuildOptions::default()).map_err(text_of)
}

struct Normalization<'a> {
    case: &'a Case,
    axes: &'a str,
    model: Model,
    values: &'a [f64],
    shape: &'a [usize],
    columns: usize,
}

impl Job for Normalization<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let compare = |name: &str, values: &[f64]| {
            let key = format!("normalize/{}/{name}", self.axes);
            self.case.compare(&key, Kind::Value, &machine.name, values);
        };
        let circuit = self.model.lower().map_err(text_of)?.circuit;
        let normalisation = circuit.normalisation.as_ref();
        let probe = |location| Probe::new(normalisation, self.columns, location);
        let normalised = probe(0.0)?.values::<E>(machine, self.values)?;
        let key = format!("normalize/{}/out", self.axes);
        let shaped = (self.shape, normalised.as_slice());
        self.case.compare_shaped(&key, Kind::Value, &machine.name, shaped);
        for (_, parameter) in self.model.parameters.iter() {
            let name = last_part(&parameter.name);
            if ["mean", "stddev"].contains(&name) {
                compare(name, &parameter.values);
            }
        }
        if let Some(spn_ir::Normalisation::SampleWise { epsilon }) = normalisation {
            // A score of 0 stands for the row's mean, one of 1 for a deviation more.
            let means = probe(0.0)?.completed::<E>(machine, self.values)?;
            let above = probe(1.0)?.completed::<E>(machine, self.values)?;
            let first = |values: &[f64]| -> Vec<f64> {
                values.iter().copied().step_by(self.columns).collect()
            };
            let (means, above) = (first(&means), first(&above));
            let deviations: Vec<f64> =
                above.iter().zip(&means).map(|(above, mean)| above - mean - epsilon).collect();
            compare("mean", &means);
            compare("stddev", &deviations);
        }
        Ok(())
    }
}

/// Log densities of leaves: one variable, all components.
fn densities(case: &Case) -> Result<(), String> {
    let input = case.input("leaf/x")?;
    let (location, scale) = (case.input("leaf/loc")?, case.input("leaf/scale")?);
    let components = location.values.len();
    for key in case.keys_in("leaf/").filter(|key| key.ends_with("Leaf")) {
        let layer = json!({ "type": last_part(key), "num_components": components });
        let mut model = model(&[1, 1, 1], vec![layer])?;
        for (name, values) in [("0/location", location), ("0/scale", scale)] {
            let id = model.parameters.find(name).ok_or_else(|| format!("{key} has no {name}"))?;
            model.parameters.get_mut(id).values.clone_from(&values.values);
        }
        let lowered = model.lower().map_err(text_of)?;
        let outputs = lowered.layers[0].cells.iter().flat_map(|cell| cell.nodes.to_vec()).collect();
        let plan = compile(&lowered.circuit, &Options { outputs, ..Options::default() })?;
        everywhere(&Density { case, key, plan, values: &input.values })?;
    }
    Ok(())
}

struct Density<'a> {
    case: &'a Case,
    key: &'a str,
    plan: std::sync::Arc<spn_ir::plan::Plan>,
    values: &'a [f64],
}

impl Job for Density<'_> {
    fn run<E: Number>(&self, machine: &Machine) -> Result<(), String> {
        let values = narrow::<E>(self.values);
        let rows = Rows::new(&values, 1).map_err(text_of)?;
        let executable = machine.prepare::<E>(&self.plan)?;
        let found = executable.output_values(rows, Statistics::Observed).map_err(text_of)?;
        self.case.compare(self.key, Kind::LogProbability, &machine.name, &widen(&found));
        Ok(())
    }
}

#[test]
fn names_hold_options() {
    let named = Named::parse("EpsilonInverseFanIn_axis-1_eps0.5_2x4").unwrap();
    assert_eq!(
        (named.axis, named.epsilon, named.shape.as_slice()),
        (Some(-1), Some(0.5), &[2, 4][..])
    );
    let clip = Named::parse("Clip_-0.5_0.25").unwrap().to_json(&["min", "max"]).unwrap();
    assert_eq!(clip, json!({ "name": "Clip", "min": -0.5, "max": 0.25 }));
    assert!(Named::parse("Clip_much").is_err());
}
