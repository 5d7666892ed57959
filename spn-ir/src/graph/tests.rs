//! petgraph's algorithms on circuits, compared with what the arena's order says.

use petgraph::algo::dominators::simple_fast;
use petgraph::algo::{is_cyclic_directed, kosaraju_scc, toposort};
use petgraph::visit::{Bfs, DfsPostOrder, Walker};

use super::*;
use crate::{CircuitBuilder, Origin, Parameter, Slice};

/// A circuit of pseudo-random shape over one variable: sums of random earlier nodes. (Whatever
/// the kinds of nodes, a graph is a graph.)
fn sums(seed: u64, count: usize) -> Circuit {
    use rand::RngExt;
    let mut random = crate::random::stream(seed, 0);
    let mut builder = CircuitBuilder::new(1);
    let weights = builder.quantity_of(Parameter::new("w", vec![8], vec![0.125; 8])).at(0);
    let first = leaf(&mut builder, weights);
    let mut nodes = vec![first];
    for _ in 1..count {
        let node = if random.random_bool(0.2) {
            leaf(&mut builder, weights)
        } else {
            let children: Vec<NodeId> = (0..random.random_range(1..5))
                .map(|_| nodes[random.random_range(0..nodes.len())])
                .collect();
            builder.sum(&children, 1, weights, Origin::Unknown).unwrap()
        };
        nodes.push(node);
    }
    builder.finish(nodes[nodes.len() - 1]).unwrap()
}

fn leaf(builder: &mut CircuitBuilder, probabilities: Slice) -> NodeId {
    builder.categorical(0, 8, 1, probabilities, Origin::Unknown).unwrap()
}

#[test]
fn toposort_puts_parents_before_children() {
    for seed in 0..30 {
        let circuit = sums(seed, 60);
        let graph = WithParents::new(&circuit);
        let order = toposort(&graph, None).unwrap();
        assert_eq!(order.len(), circuit.nodes.len());
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(index, id)| place[id.index()] = index);
        for edge in circuit.edge_references() {
            assert!(edge.target() < edge.source(), "the arena has children first");
            assert!(place[edge.source().index()] < place[edge.target().index()]);
        }
        assert!(!is_cyclic_directed(&circuit));
        assert_eq!(kosaraju_scc(&graph).len(), circuit.nodes.len());
    }
}

#[test]
fn reachability_agrees_with_one_pass_over_the_arena() {
    for seed in 0..30 {
        let circuit = sums(seed, 60);
        let mut reached = vec![false; circuit.nodes.len()];
        reached[circuit.root.index()] = true;
        for (id, node) in circuit.iter().rev() {
            if reached[id.index()] {
                node.children().iter().for_each(|child| reached[child.index()] = true);
            }
        }
        let expected: Vec<NodeId> =
            circuit.iter().map(|(id, _)| id).filter(|id| reached[id.index()]).collect();
        assert!(expected.len() < circuit.nodes.len(), "some node should be out of reach");
        let mut breadth: Vec<NodeId> = Bfs::new(&circuit, circuit.root).iter(&circuit).collect();
        breadth.sort_unstable();
        assert_eq!(breadth, expected);
        let mut depth: Vec<NodeId> =
            DfsPostOrder::new(&circuit, circuit.root).iter(&circuit).collect();
        assert_eq!(depth.last(), Some(&circuit.root));
        depth.sort_unstable();
        assert_eq!(depth, expected);
    }
}

/// `root -> {left, right} -> shared -> leaf`, and `right -> other`.
fn diamond() -> Circuit {
    crate::text::parse(
        "spn 1
         variables 1
         leaf = leaf indicator(0)
         shared = sum(leaf) weights=[1]
         left = sum(shared) weights=[1]
         other = leaf indicator(0)
         right = sum(shared, other) weights=[0.5 0.5]
         root = sum(left, right) weights=[0.5 0.5]
         root root",
    )
    .unwrap()
}

#[test]
fn dominators_of_a_diamond() {
    let circuit = diamond();
    let dominators = simple_fast(&circuit, circuit.root);
    let [leaf, shared, left, other, right, root] = [0, 1, 2, 3, 4, 5].map(NodeId);
    assert_eq!(dominators.immediate_dominator(shared), Some(root));
    assert_eq!(dominators.immediate_dominator(leaf), Some(shared));
    assert_eq!(dominators.immediate_dominator(left), Some(root));
    assert_eq!(dominators.immediate_dominator(other), Some(right));
    assert_eq!(dominators.immediate_dominator(root), None);
}

#[test]
fn parents_are_found_once_for_each_edge() {
    let circuit = diamond();
    let graph = WithParents::new(&circuit);
    assert_eq!(graph.parents(NodeId(1)), [NodeId(2), NodeId(4)]);
    assert_eq!(graph.parents(NodeId(5)), []);
    assert_eq!(circuit.edge_count(), 6);
    let edges: Vec<(u32, u32)> =
        circuit.edge_references().map(|edge| (edge.source().0, edge.id().position)).collect();
    assert_eq!(edges, [(1, 0), (2, 0), (4, 0), (4, 1), (5, 0), (5, 1)]);
    assert_eq!(Circuit::default().edge_references().count(), 0);
}

#[test]
fn the_picture_has_every_node_and_edge() {
    let picture = dot(&diamond());
    assert!(picture.starts_with("digraph {\n"), "{picture}");
    assert!(picture.contains("5 [ label = \"n5: +\" shape = circle peripheries = 2]"), "{picture}");
    assert!(picture.contains("0 [ label = \"n0: x0\" shape = box peripheries = 1]"), "{picture}");
    assert_eq!(picture.matches(" -> ").count(), 6);
}
