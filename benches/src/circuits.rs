//! Large circuits, as structure learning makes them, to measure the compiler with.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use spn_ir::{Circuit, CircuitBuilder, CircuitError, NodeId, Origin, Parameter, QuantityId};

/// Variables of the circuits; all are binary.
const VARIABLES: u32 = 1000;

/// A scalar tree of sums of two or three products of two, with about so many edges. As in imported
/// circuits one tensor holds all weights and one the probabilities of all leaves; the distributions
/// are uniform ones.
///
/// # Errors
/// If the circuit is too large for 32-bit indices.
pub fn scalar_tree(edges: usize) -> Result<Circuit, CircuitError> {
    let mut builder = CircuitBuilder::new(VARIABLES);
    let weights = [2, 3].map(|children| {
        let values = vec![1.0 / children as f64; children];
        builder.quantity_of(Parameter::new("weights", vec![children, 1], values))
    });
    let values = vec![0.5; 2 * edges];
    let leaves = builder.quantity_of(Parameter::new("probabilities", vec![edges, 2], values));
    let random = spn_ir::random::stream(1, 0);
    let mut grower = Grower { builder, random, weights, leaves, leaf_count: 0 };
    let all: Vec<u32> = (0..VARIABLES).collect();
    let root = grower.tree(&all, edges)?;
    grower.builder.finish(root)
}

struct Grower<R> {
    builder: CircuitBuilder,
    random: R,
    /// Weights of two children and of three.
    weights: [QuantityId; 2],
    leaves: QuantityId,
    leaf_count: u32,
}

impl<R: Rng> Grower<R> {
    fn tree(&mut self, variables: &[u32], edges: usize) -> Result<NodeId, CircuitError> {
        if let &[variable] = variables {
            self.leaf_count += 1;
            let table = self.leaves.at(2 * (self.leaf_count - 1));
            return self.builder.categorical(variable, 2, 1, table, Origin::Unknown);
        }
        let mixtures = if edges > 3 * variables.len() { self.random.random_range(2..4) } else { 1 };
        let mut children = Vec::new();
        for _ in 0..mixtures {
            let mut shuffled = variables.to_vec();
            shuffled.shuffle(&mut self.random);
            let (left, right) = shuffled.split_at(self.random.random_range(1..shuffled.len()));
            let edges = |part: &[u32]| edges / mixtures * part.len() / variables.len();
            let (left, right) = (self.tree(left, edges(left))?, self.tree(right, edges(right))?);
            children.push(self.builder.element_wise(&[left, right], Origin::Unknown)?);
        }
        if mixtures == 1 {
            return Ok(children[0]);
        }
        let weights = self.weights[mixtures - 2].at(0);
        self.builder.sum(&children, 1, weights, Origin::Unknown)
    }
}
