//! Dynamic networks: steps share parameters, parts must fit.

use crate::layers::{BuildOptions, DynamicModel, DynamicNetwork, LayerFile, Network, TrainingData};
use crate::{NodeKind, Normalisation, Origin};

use super::evaluate;

const EXAMPLE: &str = include_str!("../../../../examples/dynamic_spn.json");

fn model(text: &str) -> DynamicModel {
    let network = DynamicNetwork::from_json(text).unwrap_or_else(|error| panic!("{error}"));
    network.build(&BuildOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn parameters_are_named_by_part() {
    let model = model(EXAMPLE);
    let names: Vec<&str> = model.parameters.iter().map(|(_, p)| p.name.as_str()).collect();
    let expected = [
        "template/4/sum_weights",
        "interface_t0/0/sum_weights",
        "interface_t_minus_1/0/sum_weights",
        "top/0/sum_weights",
    ];
    assert_eq!(names, expected);
    let summary = model.summary().unwrap();
    assert_eq!((summary.total_parameters, summary.trainable_parameters), (36, 36));
    assert_eq!(summary.layers[4].name, "template/4");
    assert_eq!(
        (summary.layers[4].parameters, &summary.layers[4].output_shape[..]),
        (16, &[2, 1, 2][..])
    );
}

#[test]
fn steps_share_their_parameters() {
    let model = model(EXAMPLE);
    let unrolled = model.unroll(3).unwrap();
    let circuit = &unrolled.circuit;
    assert_eq!(circuit.parameters, model.parameters);
    assert_eq!(circuit.quantities.len(), 4);
    assert_eq!(circuit.variables, 12);
    assert_eq!(circuit.root, unrolled.steps[2]);
    let readers = |quantity: usize| {
        let reads = |kind: &NodeKind| matches!(kind, NodeKind::Sum(sum) if sum.weights.quantity.index() == quantity);
        circuit.nodes.iter().filter(|node| reads(&node.kind)).count()
    };
    // Two scopes in the template, one interface and one top, in each of three steps; the last
    // step makes no interface for a next one.
    let mut counts: Vec<usize> = (0..4).map(readers).collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 3, 3, 6]);
}

/// Behind padding the first step reads an interface over constants, which is log 1 as well.
#[test]
fn padding_adds_an_interface_but_changes_no_value() {
    let model = model(EXAMPLE);
    let (plain, padded) = (model.unroll(2).unwrap(), model.unroll_padded(2).unwrap());
    let sums = |circuit: &crate::Circuit| -> Vec<usize> {
        let sums = circuit.iter().filter(|(_, node)| matches!(node.kind, NodeKind::Sum(_)));
        sums.map(|(id, _)| id.index()).collect()
    };
    assert_eq!(sums(&padded.circuit).len(), sums(&plain.circuit).len() + 1);
    let interface = sums(&padded.circuit)[0];
    assert!(evaluate(&padded.circuit)[interface].iter().all(|value| value.abs() < 1e-12));
    assert_eq!((padded.steps.len(), padded.circuit.variables), (2, 8));
}

#[test]
fn each_step_adds_its_variables_to_the_scope() {
    let unrolled = model(EXAMPLE).unroll(4).unwrap();
    for (step, &top) in unrolled.steps.iter().enumerate() {
        let variables: Vec<usize> = unrolled.circuit.scope(top).variables().collect();
        assert_eq!(variables, (0..4 * (step + 1)).collect::<Vec<_>>());
        assert_eq!(unrolled.circuit.node(top).width, 1);
    }
    let origin = unrolled.circuit.node(unrolled.circuit.root).origin;
    assert!(matches!(origin, Origin::Layer { layer: 8, .. }));
    assert!(unrolled.circuit.describe_origin(origin).contains("RootSum top/0"));
}

#[test]
fn a_shorter_sequence_is_the_beginning_of_a_longer_one() {
    let model = model(EXAMPLE);
    let (short, long) = (model.unroll(1).unwrap(), model.unroll(2).unwrap());
    let value = |unrolled: &crate::layers::Unrolled| {
        evaluate(&unrolled.circuit)[unrolled.steps[0].index()][0]
    };
    assert_eq!(value(&short), value(&long));
}

#[test]
fn normalisation_repeats_for_every_step() {
    let text = EXAMPLE.replacen(
        "\"template\": [",
        "\"template\": [{\"type\": \"NormalizeStandardScore\", \"axes\": \"variable-wise\"},",
        1,
    );
    let network = DynamicNetwork::from_json(&text).unwrap();
    let rows: Vec<f64> = (0..16).map(f64::from).collect();
    let data = Some(TrainingData::from_f64(&rows, 8));
    let model = network.build(&BuildOptions { seed: 0, data }).unwrap();
    let circuit = model.unroll(2).unwrap().circuit;
    let Some(Normalisation::Fixed { mean, deviation, .. }) = circuit.normalisation else {
        panic!("no normalisation");
    };
    assert_eq!(mean, [6.0, 7.0, 8.0, 9.0, 6.0, 7.0, 8.0, 9.0]);
    assert!(deviation.iter().all(|d| (d - 20.0_f64.sqrt()).abs() < 1e-9));
    let sample_wise = text.replace("variable-wise", "sample-wise");
    let model = DynamicNetwork::from_json(&sample_wise).unwrap();
    let error = model.build(&BuildOptions::default()).unwrap().unroll(2).unwrap_err();
    assert!(error.to_string().contains("would mix the steps"), "{error}");
}

#[test]
fn parts_must_fit_each_other() {
    let wrong = EXAMPLE.replace(
        "\"interface_t_minus_1\": [\n    {\"type\": \"DenseSum\", \"num_sums\": 2}",
        "\"interface_t_minus_1\": [\n    {\"type\": \"DenseSum\", \"num_sums\": 3}",
    );
    assert_ne!(wrong, EXAMPLE);
    let network = DynamicNetwork::from_json(&wrong).unwrap();
    let error = network.build(&BuildOptions::default()).unwrap_err().to_string();
    assert!(error.contains("interface_t_minus_1 gives log probabilities [1, 1, 3]"), "{error}");
    let no_top = EXAMPLE.replace("\"top\"", "\"tip\"");
    let error = DynamicNetwork::from_json(&no_top).unwrap_err().to_string();
    assert!(error.contains("has no `top`"), "{error}");
    let model = model(EXAMPLE);
    assert!(model.unroll(0).is_err());
    assert!(model.unroll(usize::MAX).is_err());
    assert!(model.unroll(1 << 20).is_err());
}

#[test]
fn dynamic_networks_survive_their_files() {
    let model = model(EXAMPLE);
    let network = DynamicNetwork::from_json(&model.network.to_json()).unwrap();
    assert_eq!(DynamicModel::new(network, model.parameters.clone()), Ok(model));
    assert!(matches!(LayerFile::from_json(EXAMPLE), Ok(LayerFile::Dynamic(_))));
    assert!(Network::from_json(EXAMPLE).unwrap_err().to_string().contains("dynamic"));
}
