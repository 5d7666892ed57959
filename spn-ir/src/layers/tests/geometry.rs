//! Which cells and units products read.

use crate::layers::{
    Conv2DProduct, DenseProduct, DenseSum, FlatToRegions, IndicatorLeaf, Lowered, Network,
    NormalLeaf, Padding, PermuteAndPadScopes, ReduceProduct, RootSum, SpatialToRegions,
    Undecompose, ZeroPadding2D,
};
use crate::{Combine, NodeKind, PickTable};

use super::{build, cell_values, evaluate, lower, scope};

/// A product over a `rows × columns` image of two-component leaves; the rest only ends it.
fn product_over(rows: usize, columns: usize, product: Conv2DProduct) -> Lowered {
    let network = Network::new([rows, columns, 1])
        .layer(NormalLeaf::new(2))
        .layer(product)
        .layer(SpatialToRegions {})
        .layer(RootSum::default());
    lower(&network)
}

fn scopes(lowered: &Lowered, layer: usize) -> Vec<Vec<usize>> {
    lowered.layers[layer].cells.iter().map(|cell| scope(&lowered.circuit, cell)).collect()
}

#[test]
fn valid_products_with_strides_tile_the_image() {
    let lowered = product_over(2, 4, Conv2DProduct::depthwise([2, 2]).strides([2, 2]));
    assert_eq!(lowered.layers[1].shape, [1, 2, 2]);
    assert_eq!(scopes(&lowered, 1), [[0, 1, 4, 5], [2, 3, 6, 7]]);
}

#[test]
fn valid_products_may_leave_a_rest_and_jump() {
    let product = Conv2DProduct::depthwise([1, 2]).dilations([1, 3]).strides([1, 2]);
    let lowered = product_over(1, 6, product);
    assert_eq!(scopes(&lowered, 1), [[0, 3], [2, 5]]);
}

#[test]
fn full_padding_grows_the_image_by_the_kernels_reach() {
    let lowered = product_over(2, 2, Conv2DProduct::depthwise([2, 2]).padding(Padding::Full));
    assert_eq!(lowered.layers[1].shape, [3, 3, 2]);
    let expected: [&[usize]; 9] =
        [&[0], &[0, 1], &[1], &[0, 2], &[0, 1, 2, 3], &[1, 3], &[2], &[2, 3], &[3]];
    assert_eq!(scopes(&lowered, 1), expected);
    // A corner's product has one factor: it is the leaf.
    assert_eq!(lowered.layers[1].cells[0], lowered.layers[0].cells[0]);
}

#[test]
fn full_padding_with_dilation_and_strides() {
    let product =
        Conv2DProduct::depthwise([1, 2]).dilations([1, 2]).strides([1, 2]).padding(Padding::Full);
    // Padded: _ _ 0 1 2 _ _; kernels at 0, 2, 4 read positions p and p + 2.
    let lowered = product_over(1, 3, product);
    let expected: [&[usize]; 3] = [&[0], &[0, 2], &[2]];
    assert_eq!(scopes(&lowered, 1), expected);
}

#[test]
fn final_padding_is_before_the_image_only() {
    let product = Conv2DProduct::depthwise([2, 2]).dilations([2, 2]).padding(Padding::Final);
    // Per axis: _ 0 1 2; kernels at 0 and 1 read {1} and {0, 2}.
    let lowered = product_over(3, 3, product);
    assert_eq!(lowered.layers[1].shape, [2, 2, 2]);
    let expected: [&[usize]; 4] = [&[4], &[3, 5], &[1, 7], &[0, 2, 6, 8]];
    assert_eq!(scopes(&lowered, 1), expected);
}

#[test]
fn final_padding_leaves_an_axis_without_kernel_alone() {
    let product = Conv2DProduct::depthwise([1, 2]).dilations([1, 3]).padding(Padding::Final);
    let lowered = product_over(2, 4, product);
    assert_eq!(lowered.layers[1].shape, [2, 3, 2]);
    let row: [&[usize]; 3] = [&[1], &[2], &[0, 3]];
    assert_eq!(scopes(&lowered, 1)[..3], row);
}

#[test]
fn a_kernel_may_lie_in_the_padding() {
    let product = Conv2DProduct::depthwise([1, 2]).dilations([1, 3]).padding(Padding::Full);
    // Padded: _ _ _ 0 _ _ _; the kernel at 1 reads positions 1 and 4.
    let lowered = product_over(1, 1, product);
    let expected: [&[usize]; 4] = [&[0], &[], &[], &[0]];
    assert_eq!(scopes(&lowered, 1), expected);
    assert!(lowered.layers[1].cells[1].is_padding());
    // Its values are inputs of the root: the joined cell has a constant for it.
    assert_eq!(lowered.layers[2].cells[0].nodes.len(), 4);
}

#[test]
fn one_hot_products_vary_the_first_cell_fastest() {
    let lowered = product_over(1, 2, Conv2DProduct::onehot([1, 2], None));
    let values = evaluate(&lowered.circuit);
    let [a, b] = [0, 1].map(|cell| cell_values(&lowered.layers[0].cells[cell], &values));
    let product = cell_values(&lowered.layers[1].cells[0], &values);
    assert_eq!(product, [a[0] + b[0], a[1] + b[0], a[0] + b[1], a[1] + b[1]]);
    let node = lowered.circuit.node(lowered.layers[1].cells[0].nodes[0]);
    assert!(matches!(&node.kind, NodeKind::Product(p) if p.combine == Combine::Outer));
}

#[test]
fn one_hot_products_with_padding_share_tables() {
    let product = Conv2DProduct::onehot([2, 2], None).padding(Padding::Full);
    let lowered = product_over(6, 6, product);
    let values = evaluate(&lowered.circuit);
    // Kernel cell 3 alone is on the image: channel k div 2³ mod 2.
    let leaf = cell_values(&lowered.layers[0].cells[0], &values);
    let corner = cell_values(&lowered.layers[1].cells[0], &values);
    let expected: Vec<f64> = (0..16).map(|k| leaf[k / 8 % 2]).collect();
    assert_eq!(corner, expected);
    // Four sides and four corners; the inside is an outer product.
    assert_eq!(lowered.circuit.tables.len(), 8);
}

#[test]
fn product_kernels_are_read_from_the_parameter() {
    let network = Network::new([1, 2, 1])
        .layer(NormalLeaf::new(2))
        .layer(Conv2DProduct::onehot([1, 2], Some(3)))
        .layer(RootSum::default());
    let mut model = build(&network);
    let id = model.parameters.find("1/onehot_kernel").unwrap();
    assert_eq!(model.parameters.get(id).shape, [1, 2, 2, 3]);
    assert!(!model.parameters.get(id).trainable);
    // Cell 0 picks channels 1, 1, 0; cell 1 picks 0, 1, 1.
    model.parameters.get_mut(id).values =
        vec![0., 0., 1., 1., 1., 0., /* cell 1 */ 1., 0., 0., 0., 1., 1.];
    let lowered = model.lower().unwrap();
    let picks = vec![vec![1, 1, 0], vec![0, 1, 1]];
    assert_eq!(lowered.circuit.tables, [PickTable { picks }]);
    model.parameters.get_mut(id).values[0] = 1.0;
    let error = model.lower().unwrap_err().to_string();
    assert!(error.starts_with("layer 1 (Conv2DProduct): `onehot_kernel` must hold"), "{error}");
}

#[test]
fn dense_products_vary_the_first_scope_slowest() {
    let network = Network::new([4])
        .layer(FlatToRegions::new(1))
        .layer(NormalLeaf::new(2))
        .layer(PermuteAndPadScopes::new(vec![vec![2, 0, -1, 1, -1, -1, 3, -1]]))
        .layer(DenseProduct::new(2))
        .layer(ReduceProduct::new(4))
        .layer(RootSum::default());
    let lowered = lower(&network);
    let values = evaluate(&lowered.circuit);
    let leaf = |cell: usize| cell_values(&lowered.layers[1].cells[cell], &values);
    let product = |cell: usize| cell_values(&lowered.layers[3].cells[cell], &values);
    let (a, b) = (leaf(2), leaf(0));
    assert_eq!(product(0), [a[0] + b[0], a[0] + b[1], a[1] + b[0], a[1] + b[1]]);
    assert_eq!(product(1), [leaf(1)[0], leaf(1)[1], leaf(1)[0], leaf(1)[1]]);
    assert!(lowered.layers[3].cells[2].is_padding());
    assert_eq!(product(3), [leaf(3)[0], leaf(3)[0], leaf(3)[1], leaf(3)[1]]);
    assert_eq!(scopes(&lowered, 4), [[0, 1, 2, 3]]);
}

#[test]
fn products_over_joined_decompositions_are_cut_into_runs() {
    let stack = |product: super::super::Layer| {
        let network = Network::new([2])
            .layer(FlatToRegions::new(3))
            .layer(NormalLeaf::new(2))
            .layer(Undecompose::new(1))
            .layer(product)
            .layer(RootSum::default());
        let lowered = lower(&network);
        let values = evaluate(&lowered.circuit);
        let cell =
            |layer: usize, cell: usize| cell_values(&lowered.layers[layer].cells[cell], &values);
        let result = (cell(2, 0), cell(2, 1), cell(3, 0), lowered.layers[3].cells[0].nodes.len());
        assert_eq!(lowered.circuit.parameters.len(), 3, "no constants are added");
        result
    };
    let (a, b, product, nodes) = stack(ReduceProduct::new(2).into());
    assert_eq!(product, a.iter().zip(&b).map(|(a, b)| a + b).collect::<Vec<_>>());
    assert_eq!(nodes, 3);
    let (a, b, product, nodes) = stack(DenseProduct::new(2).into());
    let combinations = a.iter().flat_map(|a| b.iter().map(move |b| a + b));
    assert_eq!(product, combinations.collect::<Vec<_>>());
    assert_eq!(nodes, 18);
}

#[test]
fn decompositions_have_leaves_of_their_own_over_the_same_variables() {
    let network = Network::new([3, 2])
        .layer(FlatToRegions::new(2))
        .layer(NormalLeaf::new(4))
        .layer(ReduceProduct::new(3))
        .layer(RootSum::default());
    let lowered = lower(&network);
    let expected = [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]];
    assert_eq!(scopes(&lowered, 1), expected);
    let offsets: Vec<u32> = lowered.circuit.nodes[..6]
        .iter()
        .map(|node| match &node.kind {
            NodeKind::Leaf(leaf) => match leaf.family {
                crate::LeafFamily::LocationScale { location, .. } => location.offset,
                _ => panic!("not a location-scale leaf"),
            },
            _ => panic!("not a leaf"),
        })
        .collect();
    assert_eq!(offsets, [0, 8, 16, 24, 32, 40]);
}

#[test]
fn sums_over_padding_are_sums_over_one() {
    let network = Network::new([1, 1, 1])
        .layer(IndicatorLeaf::new(2))
        .layer(ZeroPadding2D::sides([0, 1], [1, 0]))
        .layer(DenseSum::new(3))
        .layer(Conv2DProduct::depthwise([2, 2]))
        .layer(RootSum::default());
    let lowered = lower(&network);
    assert_eq!(lowered.layers[1].shape, [2, 2, 2]);
    let expected: [&[usize]; 4] = [&[], &[0], &[], &[]];
    assert_eq!(scopes(&lowered, 2), expected);
    let values = evaluate(&lowered.circuit);
    for value in cell_values(&lowered.layers[2].cells[0], &values) {
        assert!(value.abs() < 1e-12);
    }
    assert_eq!(lowered.circuit.parameters.get(crate::ParameterId(0)).shape, [2, 2, 2, 3]);
}
