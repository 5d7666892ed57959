//! Random regions, grown from the root's scope down: sums of products of smaller regions.

use rand::RngExt;
use rand::seq::SliceRandom;
use spn_ir::{CircuitError, Combine, NodeId, Origin, PickTable};

use super::Shape;
use super::maker::Maker;

impl Maker<'_> {
    /// The root: mostly a sum over several products of all variables.
    pub(super) fn whole_region(&mut self) -> Result<NodeId, CircuitError> {
        let variables: Vec<u32> = (0..self.kinds.len() as u32).collect();
        if self.chance(0.1) {
            return self.region(&variables, 1);
        }
        let count = self.rng.random_range(1..=4);
        let children: Vec<NodeId> = (0..count)
            .map(|_| {
                let width = self.width(8);
                self.part_of_sum(&variables, width)
            })
            .collect::<Result<_, _>>()?;
        self.sum_of(&children, 1)
    }

    /// A node of `width` units over exactly these variables.
    fn region(&mut self, variables: &[u32], width: u32) -> Result<NodeId, CircuitError> {
        if self.shape == Shape::Graph && self.chance(0.5) {
            let known = self.regions.get(variables).cloned().unwrap_or_default();
            let fitting: Vec<NodeId> =
                known.into_iter().filter(|n| self.width_of(*n) == width).collect();
            if let Some(node) = self.choose(&fitting) {
                return Ok(node);
            }
        }
        let node = self.new_region(variables, width)?;
        let node = self.maybe_drop(node)?;
        self.regions.entry(variables.to_vec()).or_default().push(node);
        Ok(node)
    }

    fn new_region(&mut self, variables: &[u32], width: u32) -> Result<NodeId, CircuitError> {
        let stop = variables.len() == 1 || self.chance(0.1);
        if self.fits_one_leaf(variables) && (stop || self.is_big_enough()) {
            if self.chance(0.6) || self.is_big_enough() {
                return self.leaf(variables, width);
            }
        } else if self.is_big_enough() || self.chance(0.15) {
            return self.partition_of_width(variables, width);
        }
        let count = self.rng.random_range(1..=3);
        let children: Vec<NodeId> = (0..count)
            .map(|_| {
                let inner = self.width(u32::MAX);
                self.part_of_sum(variables, inner)
            })
            .collect::<Result<_, _>>()?;
        self.sum_of(&children, width)
    }

    /// A child for a sum over these variables; `width` is a wish.
    fn part_of_sum(&mut self, variables: &[u32], width: u32) -> Result<NodeId, CircuitError> {
        if variables.len() == 1 || self.fits_one_leaf(variables) && self.chance(0.2) {
            return self.leaf(variables, width);
        }
        match self.chance(0.1) && !self.is_big_enough() {
            true => self.region(variables, width),
            false if self.chance(0.4) => self.outer(variables),
            false => self.partition_of_width(variables, width),
        }
    }

    fn sum_of(&mut self, children: &[NodeId], width: u32) -> Result<NodeId, CircuitError> {
        let inputs: u32 = children.iter().map(|child| self.width_of(*child)).sum();
        let weights = self.weights(inputs as usize, width as usize);
        self.builder.sum(children, width, weights, Origin::Unknown)
    }

    /// A product of regions over a random partition of the variables, of exactly this width.
    fn partition_of_width(
        &mut self,
        variables: &[u32],
        width: u32,
    ) -> Result<NodeId, CircuitError> {
        let table = self.chance(0.4);
        let mut children = Vec::new();
        for part in self.split(variables) {
            let inner = if table { self.width(u32::MAX) } else { width };
            children.push(self.region(&part, inner)?);
        }
        if self.chance(0.1) {
            let inner = if table { self.width(u32::MAX) } else { width };
            children.push(self.constant(inner)?);
        }
        let combine = match table {
            true => Combine::Table(self.table(&children, width)),
            false => Combine::ElementWise,
        };
        self.builder.product(&children, combine, Origin::Unknown)
    }

    /// All combinations of regions over a random partition of the variables.
    fn outer(&mut self, variables: &[u32]) -> Result<NodeId, CircuitError> {
        let mut room = self.widest;
        let mut children = Vec::new();
        for part in self.split(variables) {
            let width = self.width(room);
            room /= width;
            children.push(self.region(&part, width)?);
        }
        self.builder.product(&children, Combine::Outer, Origin::Unknown)
    }

    /// The constant 1, now and then as a sum of ones.
    fn constant(&mut self, width: u32) -> Result<NodeId, CircuitError> {
        if self.chance(0.3) {
            let inner = self.width(4);
            let one = self.builder.one(inner, Origin::Unknown)?;
            return self.sum_of(&[one], width);
        }
        self.builder.one(width, Origin::Unknown)
    }

    fn table(&mut self, children: &[NodeId], width: u32) -> spn_ir::PickTableId {
        let widths: Vec<u32> = children.iter().map(|child| self.width_of(*child)).collect();
        let mut row = |limit: u32| (0..width).map(|_| self.rng.random_range(0..limit)).collect();
        let picks = widths.into_iter().map(&mut row).collect();
        self.builder.table(PickTable { picks })
    }

    /// The variables in two or three disjoint parts, each ascending; one for each variable once the
    /// circuit is big enough.
    fn split(&mut self, variables: &[u32]) -> Vec<Vec<u32>> {
        let mut shuffled = variables.to_vec();
        if self.chance(0.5) {
            shuffled.shuffle(&mut self.rng);
        }
        let most = if self.is_big_enough() { variables.len() } else { variables.len().min(3) };
        let least = if self.is_big_enough() { most } else { most.min(2) };
        let parts = self.rng.random_range(least..=most);
        let mut result: Vec<Vec<u32>> = vec![Vec::new(); parts];
        for (index, variable) in shuffled.into_iter().enumerate() {
            result[index * parts / variables.len()].push(variable);
        }
        result.iter_mut().for_each(|part| part.sort_unstable());
        result
    }

    fn width_of(&self, node: NodeId) -> u32 {
        self.builder.circuit().node(node).width
    }
}
