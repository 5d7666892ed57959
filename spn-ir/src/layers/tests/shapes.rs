//! Shapes and parameter counts against the reference library.

use serde_json::Value;

use crate::layers::{Layer, LayerFile, Model, Network};

use super::{BuildOptions, build, has_indicators, lower, network};

/// Architecture and output shapes of the static cases of the reference data, by case.
const ARCHITECTURES: &str = include_str!("../test_data/architectures.json");

const README: &str = include_str!("../../../../examples/dgc_spn_mnist.json");
const RAT: &str = include_str!("../../../../examples/rat_spn.json");
const REGIONS: &str = include_str!("../../../../examples/region_graph.json");
const DYNAMIC: &str = include_str!("../../../../examples/dynamic_spn.json");

/// The cases: name, network, output shapes.
fn cases() -> Vec<(String, Network, Vec<Vec<usize>>)> {
    let cases: Value = serde_json::from_str(ARCHITECTURES).unwrap();
    let read = |(name, case): (&String, &Value)| {
        let mut file = network(&serde_json::json!({"layers": case["architecture"]}).to_string());
        // The shapes are those of a root that gives one value.
        if let Some(Layer::RootSum(root)) = file.layers.last_mut() {
            root.return_weighted_child_logits = false;
        }
        let shapes = serde_json::from_value(case["layer_output_shapes"].clone()).unwrap();
        (name.clone(), file, shapes)
    };
    cases.as_object().unwrap().iter().map(read).collect()
}

#[test]
fn layers_have_the_shapes_of_the_reference() {
    let cases = cases();
    assert_eq!(cases.len(), 62);
    for (name, network, shapes) in cases {
        assert_eq!(network.output_shapes().unwrap(), shapes, "{name}");
    }
}

#[test]
fn every_cell_of_every_layer_is_there() {
    for (name, network, shapes) in cases() {
        let lowered = lower(&network);
        let circuit = &lowered.circuit;
        assert_eq!(lowered.layers.len(), shapes.len(), "{name}");
        for (tensor, shape) in lowered.layers.iter().zip(&shapes) {
            assert_eq!(&tensor.shape, shape, "{name}");
            if tensor.cells.is_empty() || shape.len() == 1 {
                continue;
            }
            assert_eq!(tensor.cells.len(), shape[0] * shape[1], "{name}");
            for cell in &tensor.cells {
                let units: u32 = cell.nodes.iter().map(|&node| circuit.node(node).width).sum();
                assert_eq!(cell.units as usize, shape[2], "{name}");
                assert!(cell.is_padding() || units == cell.units, "{name}");
            }
        }
        assert_eq!(has_indicators(circuit), name.contains("indicator"), "{name}");
        assert_eq!(circuit.parameters.len(), build(&network).parameters.len(), "{name}");
    }
}

#[test]
fn networks_and_models_survive_their_files() {
    for (name, network, _) in cases() {
        assert_eq!(Network::from_json(&network.to_json()).as_ref(), Ok(&network), "{name}");
        let model = build(&network);
        let read = Network::from_json(&model.network.to_json()).unwrap();
        let again = Model::new(read, model.parameters.clone()).unwrap();
        assert_eq!(again, model, "{name}");
        assert_eq!(again.lower().unwrap().circuit.nodes, model.lower().unwrap().circuit.nodes);
    }
}

#[test]
fn the_readme_network_has_the_published_counts() {
    let model = build(&network(README));
    let summary = model.summary().unwrap();
    assert_eq!(summary.total_parameters, 1_214_498);
    assert_eq!(summary.trainable_parameters, 1_201_930);
    assert_eq!(summary.layers[12].output_shape, [8, 8, 64]);
    assert_eq!(summary.layers[15].output_shape, [10]);
    assert_eq!(summary.layers[1].trainable, 28 * 28 * 16);
    assert!(model.parameters.iter().all(|(_, p)| p.values.iter().all(|v| v.is_finite())));
    let lowered = model.lower().unwrap();
    assert_eq!(lowered.circuit.scope(lowered.circuit.root).len(), 784);
    assert!(lowered.circuit.nodes.len() < 2500, "{}", lowered.circuit.nodes.len());
}

#[test]
fn the_examples_are_valid() {
    for text in [README, RAT, REGIONS, DYNAMIC] {
        match LayerFile::from_json(text).unwrap() {
            LayerFile::Network(network) => {
                let lowered = lower(&network);
                let count = network.variable_count().unwrap();
                assert_eq!(lowered.circuit.scope(lowered.circuit.root).len(), count);
                assert!(network.training.is_some() && network.name.is_some());
            }
            LayerFile::Dynamic(network) => {
                let model = network.build(&BuildOptions::default()).unwrap();
                let circuit = model.unroll(3).unwrap().circuit;
                assert_eq!(circuit.scope(circuit.root).len(), 12);
            }
        }
    }
}
