//! Tests of layers: shapes, geometry, first values, errors, region graphs, dynamic networks.

mod building;
mod dropout;
mod dynamic;
mod errors;
mod geometry;
mod region_graph;
mod shapes;

use crate::{Circuit, Combine, LeafFamily, NodeKind};

use super::{BuildOptions, Cell, Lowered, Model, Network};

/// The network of a layer file.
fn network(text: &str) -> Network {
    Network::from_json(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A network built with seed 1 and without data.
fn build(network: &Network) -> Model {
    let options = BuildOptions { seed: 1, data: None };
    network.build(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// The circuit of a network.
fn lower(network: &Network) -> Lowered {
    build(network).lower().unwrap_or_else(|error| panic!("{error}"))
}

/// The scope of a cell.
fn scope(circuit: &Circuit, cell: &Cell) -> Vec<usize> {
    let mut variables: Vec<usize> =
        cell.nodes.iter().flat_map(|&node| circuit.scope(node).variables()).collect();
    variables.sort_unstable();
    variables.dedup();
    variables
}

/// The values of every node, with leaf unit `k` of node `n` having the made-up value
/// `sin(7 n + 3 k + 1)`: enough to tell whether products and sums read the right units.
fn evaluate(circuit: &Circuit) -> Vec<Vec<f64>> {
    let quantities: Vec<Vec<f64>> =
        circuit.quantities.iter().map(|quantity| quantity.evaluate(&circuit.parameters)).collect();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (id, node) in circuit.iter() {
        let units = 0..node.width as usize;
        values.push(match &node.kind {
            NodeKind::Leaf(_) => {
                units.map(|k| f64::from(7 * id.0 + 3 * k as u32 + 1).sin()).collect()
            }
            NodeKind::Product(product) => units
                .map(|unit| {
                    let widths: Vec<usize> =
                        product.children.iter().map(|child| values[child.index()].len()).collect();
                    let pick = |child: usize| match product.combine {
                        Combine::ElementWise => unit,
                        Combine::Outer => {
                            unit / widths[child + 1..].iter().product::<usize>() % widths[child]
                        }
                        Combine::Table(table) => {
                            circuit.tables[table.0 as usize].picks[child][unit] as usize
                        }
                    };
                    let children = product.children.iter().enumerate();
                    children.map(|(index, child)| values[child.index()][pick(index)]).sum()
                })
                .collect(),
            NodeKind::Sum(sum) => {
                let inputs: Vec<f64> =
                    sum.children.iter().flat_map(|child| values[child.index()].clone()).collect();
                let weights = &quantities[sum.weights.quantity.index()];
                let weight = |input: usize, unit: usize| {
                    weights[sum.weights.offset as usize + input * node.width as usize + unit]
                };
                let total = |unit| {
                    let terms = inputs.iter().enumerate();
                    terms.map(|(input, value)| weight(input, unit) * value.exp()).sum::<f64>()
                };
                units.map(|unit| total(unit).ln()).collect()
            }
        });
    }
    values
}

/// The values of a cell.
fn cell_values(cell: &Cell, values: &[Vec<f64>]) -> Vec<f64> {
    if cell.is_padding() {
        return vec![0.0; cell.units as usize];
    }
    cell.nodes.iter().flat_map(|node| values[node.index()].clone()).collect()
}

/// Whether any leaf is an indicator.
fn has_indicators(circuit: &Circuit) -> bool {
    circuit.nodes.iter().any(|node| match &node.kind {
        NodeKind::Leaf(leaf) => leaf.family == LeafFamily::Indicator,
        _ => false,
    })
}
