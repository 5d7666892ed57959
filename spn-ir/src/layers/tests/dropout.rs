//! Dropout layers mark values with the right random numbers.

use crate::layers::{
    Conv2DProduct, Dropout, Layer, LogDropout, Network, NormalLeaf, Padding, RootSum,
    SpatialToRegions,
};
use crate::{DropoutKind, NodeKind};

use super::lower;

fn marks(dropout: impl Into<Layer>) -> Vec<(usize, u32, u32, u32, DropoutKind)> {
    let network = Network::new([1, 2, 1])
        .layer(NormalLeaf::new(3))
        .layer(Conv2DProduct::depthwise([1, 2]).dilations([1, 3]).padding(Padding::Full))
        .layer(dropout)
        .layer(SpatialToRegions {})
        .layer(RootSum::default());
    let lowered = lower(&network);
    let circuit = &lowered.circuit;
    let cells = lowered.layers[2].cells.iter().enumerate();
    let marked = cells.filter(|(_, cell)| !cell.is_padding()).filter_map(|(index, cell)| {
        let node = circuit.node(cell.nodes[0]);
        assert!(matches!(&node.kind, NodeKind::Product(product) if product.children.len() == 1));
        let mark = node.dropout?;
        assert_eq!(mark.rate, 0.25);
        Some((index, mark.stream, mark.first, mark.stride, mark.kind))
    });
    marked.collect()
}

#[test]
fn every_value_has_the_number_of_its_flat_index() {
    // Padded: _ _ _ 0 1 _ _ _, so cell 2 of the five is padding and never dropped.
    let kind = DropoutKind::Sum { keep_one: false };
    let expected = [0, 1, 3, 4].map(|cell| (cell as usize, 2, 3 * cell, 1, kind));
    assert_eq!(marks(LogDropout::new(0.25)), expected);
}

#[test]
fn noise_of_length_one_is_shared() {
    let mut dropout = LogDropout::new(0.25);
    dropout.noise_shape = Some(vec![None, Some(5), Some(1)]);
    let numbers: Vec<(u32, u32)> = marks(dropout.clone()).iter().map(|m| (m.2, m.3)).collect();
    assert_eq!(numbers, [(0, 0), (1, 0), (3, 0), (4, 0)]);
    dropout.noise_shape = Some(vec![Some(1), Some(1), None]);
    let numbers: Vec<(u32, u32)> = marks(dropout).iter().map(|m| (m.2, m.3)).collect();
    assert_eq!(numbers, [(0, 1); 4]);
}

#[test]
fn kinds_follow_the_layers() {
    let kind = |marks: Vec<(usize, u32, u32, u32, DropoutKind)>| marks[0].4;
    let kept = LogDropout::new(0.25).at_least_one_unit();
    assert_eq!(kind(marks(kept)), DropoutKind::Sum { keep_one: true });
    assert_eq!(kind(marks(Dropout::new(0.25))), DropoutKind::Input { rescale: true });
    let mut dropout = Dropout::new(0.25);
    dropout.rescale = false;
    dropout.noise_shape = Some(vec![None, None, None, None]);
    assert_eq!(kind(marks(dropout)), DropoutKind::Input { rescale: false });
}

#[test]
fn joined_cells_continue_their_numbers() {
    let network = Network::new([1, 2, 1])
        .layer(NormalLeaf::new(3))
        .layer(SpatialToRegions {})
        .layer(LogDropout::new(0.5))
        .layer(RootSum::default());
    let lowered = lower(&network);
    let cell = &lowered.layers[2].cells[0];
    let firsts: Vec<u32> = cell
        .nodes
        .iter()
        .filter_map(|&n| lowered.circuit.node(n).dropout)
        .map(|d| d.first)
        .collect();
    assert_eq!(firsts, [0, 3]);
}
