//! Region graphs become networks over all their variables, even or not.

use crate::layers::{
    Layer, LayerError, Network, NormalLeaf, Region, RegionError, RegionGraph, RegionNode,
    RegionVariable,
};
use crate::{Circuit, NodeKind};

use super::{lower, network};

fn graph(tree: &str) -> RegionGraph {
    let tree = serde_json::from_str(tree).unwrap();
    RegionGraph::new(Region::from_value(&tree).unwrap(), NormalLeaf::new(2))
}

/// Permutation and factors of a network.
fn structure(network: &Network) -> (Vec<i64>, Vec<usize>) {
    let permutation = network.layers.iter().find_map(|layer| match layer {
        Layer::PermuteAndPadScopes(permute) => Some(permute.permutations[0].clone()),
        _ => None,
    });
    let factors = network.layers.iter().filter_map(|layer| match layer {
        Layer::DenseProduct(product) => Some(product.num_factors),
        _ => None,
    });
    (permutation.unwrap(), factors.collect())
}

/// Checks that children of products are disjoint and children of sums have equal scopes.
fn check_validity(circuit: &Circuit) {
    for (id, node) in circuit.iter() {
        let scopes = node.children().iter().map(|&child| circuit.scope(child));
        match &node.kind {
            NodeKind::Product(_) => {
                let total: usize = scopes.map(crate::Scope::len).sum();
                assert_eq!(total, circuit.scope(id).len(), "children of {id:?} overlap");
            }
            NodeKind::Sum(_) => {
                for scope in scopes {
                    assert_eq!(scope, circuit.scope(id), "children of {id:?} differ");
                }
            }
            NodeKind::Leaf(_) => {}
        }
    }
}

#[test]
fn the_reference_case_has_the_references_stack() {
    let network = network(
        r#"{"region_graph": [[0, 2], 1], "leaf": {"type": "NormalLeaf", "num_components": 2},
            "num_sums": 2}"#,
    );
    assert_eq!(structure(&network), (vec![0, 2, 1, -1], vec![2, 2]));
    let types: Vec<&str> = network.layers.iter().map(Layer::type_name).collect();
    let expected = [
        "FlatToRegions",
        "NormalLeaf",
        "PermuteAndPadScopes",
        "DenseProduct",
        "DenseSum",
        "DenseProduct",
        "RootSum",
    ];
    assert_eq!(types, expected);
    assert_eq!(network.variables, [3]);
}

#[test]
fn any_tree_covers_every_variable_once() {
    let trees = [
        "0",
        "[0]",
        "[0, 1]",
        "[[[0, 1], 2], 3]",
        "[[0, 1, 2], [3, 4]]",
        "[[0, 1, 2], 3]",
        "[0, [1, [2, [3, [4, 5]]]]]",
        "[[[5]], 4, [3, [2, 1, 0]]]",
        "[[[[0, 1]], 2], [[3, 4, 5]]]",
        "[[6, [0, 1]], [[2, 3], [4]], 5]",
    ];
    for tree in trees {
        let mut graph = graph(tree);
        graph.num_sums = vec![2; graph.sum_layers()];
        graph.num_classes = Some(3);
        let network = graph.network().unwrap();
        let variables = network.variables[0];
        let mut placed = structure(&network).0;
        placed.retain(|&scope| scope >= 0);
        placed.sort_unstable();
        assert_eq!(placed, (0..variables as i64).collect::<Vec<_>>(), "{tree}");
        let circuit = lower(&network).circuit;
        assert_eq!(circuit.scope(circuit.root).len(), variables, "{tree}");
        check_validity(&circuit);
    }
}

#[test]
fn regions_below_their_level_take_the_first_slot() {
    // Heights: {1, 2} has 1, the root 3; level 1 has 2 factors, level 2 has 3, level 3 has 2.
    let (permutation, factors) = structure(&graph("[[[1, 2], 3, 4], [5, 0]]").network().unwrap());
    assert_eq!(factors, [2, 3, 2]);
    assert_eq!(permutation, [1, 2, 3, -1, 4, -1, 5, 0, -1, -1, -1, -1]);
}

#[test]
fn shared_variables_are_named() {
    let tree = serde_json::json!([[0, 1], [1, 2], 0]);
    let error = Region::from_value(&tree).unwrap_err();
    let region = "{{x0, x1}, {x1, x2}, x0}".to_owned();
    assert_eq!(error, RegionError::OverlappingScopes { region, shared: vec![0, 1] });
}

#[test]
fn wrong_region_graphs_are_errors() {
    let read = |tree: &str| Region::from_value(&serde_json::from_str(tree).unwrap()).unwrap_err();
    assert_eq!(read("[0, []]"), RegionError::NoChildren);
    assert_eq!(read("[0, -1]"), RegionError::Unreadable { found: "-1".to_owned() });
    assert_eq!(read("[0, 1.5]"), RegionError::Unreadable { found: "1.5".to_owned() });
    assert_eq!(read("[0, 4000000000]"), RegionError::Unreadable { found: "4000000000".to_owned() });
    let high = format!("{}0{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(read(&high), RegionError::TooHigh);
    let mut uneven = Region::from(RegionVariable(0));
    for variable in 1..60 {
        uneven = RegionNode::new([uneven, RegionVariable(variable).into()]).unwrap().into();
    }
    let too_large = RegionGraph::new(uneven, NormalLeaf::new(1)).network();
    assert_eq!(too_large, Err(LayerError::Region(RegionError::TooLarge)));
    let mut graph = graph("[[0, 1], 2]");
    graph.num_sums = vec![1, 1];
    let wrong = RegionError::WrongNumSums { found: 2, expected: 1 };
    assert_eq!(graph.network(), Err(LayerError::Region(wrong)));
}
