//! Random leaves of every family, over one or several variables of one kind.

use rand::RngExt;
use smallvec::SmallVec;
use spn_ir::{
    CircuitError, Formula, Leaf, LeafFamily, LocationScale, NodeId, Origin, Parameter, Quantity,
    Slice, VariableId,
};

use super::VariableKind;
use super::maker::{Maker, single};

impl Maker<'_> {
    /// Whether one leaf can cover these variables.
    pub(super) fn fits_one_leaf(&self, variables: &[u32]) -> bool {
        let kind = |variable: &u32| self.kinds[*variable as usize];
        let same = variables.iter().all(|variable| kind(variable) == kind(&variables[0]));
        variables.len() == 1 || same && self.options.multivariate && variables.len() <= 3
    }

    /// A leaf of `width` units over `variables`, which are of one kind.
    pub(super) fn leaf(&mut self, variables: &[u32], width: u32) -> Result<NodeId, CircuitError> {
        let count = width as usize * variables.len();
        let kind = self.kinds[variables[0] as usize];
        let family = match kind {
            VariableKind::Continuous => self.location_scale(&[width as usize, variables.len()]),
            VariableKind::Discrete { states } if width <= states && self.chance(0.4) => {
                LeafFamily::Indicator
            }
            VariableKind::Discrete { states } => {
                let probabilities = self.probabilities(count, states as usize);
                LeafFamily::Categorical { states, probabilities }
            }
        };
        let variables: SmallVec<[VariableId; 1]> =
            variables.iter().map(|&variable| VariableId(variable)).collect();
        self.builder.leaf(Leaf { family, variables }, width, Origin::Unknown)
    }

    /// Probabilities `[rows, states]`: normalised columns of a weight matrix, transposed.
    fn probabilities(&mut self, rows: usize, states: usize) -> Slice {
        let mut values = Vec::with_capacity(rows * states);
        for _ in 0..rows {
            let mut row: Vec<f64> = (0..states).map(|_| self.around_zero(2.0).exp()).collect();
            if self.sparse && states > 1 && self.chance(0.5) {
                row[self.rng.random_range(0..states)] = 0.0;
            }
            let total: f64 = row.iter().sum();
            values.extend(row.iter().map(|p| p / total));
        }
        match self.chance(0.3) {
            true => {
                let logarithms = values.iter().map(|p| p.ln()).collect();
                self.quantity(&[rows, states], logarithms, Formula::Exp, None, None).at(0)
            }
            false => self.quantity(&[rows, states], values, Formula::Direct, None, None).at(0),
        }
    }

    fn location_scale(&mut self, shape: &[usize]) -> LeafFamily {
        let densities = [LocationScale::Normal, LocationScale::Cauchy, LocationScale::Laplace];
        let density = densities[self.rng.random_range(0..3)];
        if self.chance(0.12) {
            let (location, scale) = self.moments(shape);
            return LeafFamily::LocationScale { density, location, scale };
        }
        let count = shape.iter().product();
        let (far, spread) = if self.extreme { (100.0, 7.0) } else { (3.0, 1.0) };
        let locations = (0..count).map(|_| single(self.around_zero(far))).collect();
        let scales: Vec<f64> = (0..count).map(|_| single(self.around_zero(spread).exp())).collect();
        let location = self.quantity(shape, locations, Formula::Direct, None, None);
        let bounds = self.chance(0.3).then_some((1e-3, f64::INFINITY));
        let scale = match self.chance(0.3) {
            true => {
                let inverse = scales.iter().map(|&s| single(spn_ir::quantity::inverse_softplus(s)));
                self.quantity(shape, inverse.collect(), Formula::Softplus, None, bounds)
            }
            false => self.quantity(shape, scales, Formula::Direct, None, bounds),
        };
        LeafFamily::LocationScale { density, location: location.at(0), scale: scale.at(0) }
    }

    /// Location and scale from moment accumulators, as online learning keeps them.
    fn moments(&mut self, shape: &[usize]) -> (Slice, Slice) {
        let count: usize = shape.iter().product();
        let mut lists = [const { Vec::new() }; 4];
        for _ in 0..count {
            let mean = self.around_zero(2.0);
            let scale = self.rng.random_range(0.5..2.0);
            let (mass, other) = (self.rng.random_range(1.0..5.0), self.rng.random_range(1.0..5.0));
            let moments = [mean * mass, mass, (scale * scale + mean * mean) * other, other];
            lists.iter_mut().zip(moments).for_each(|(list, value)| list.push(value));
        }
        let [n1, d1, n2, d2] = lists.map(|values| {
            let name = format!("p{}", self.builder.circuit().parameters.len());
            self.builder.parameter(Parameter::new(name, shape.to_vec(), values))
        });
        let mut add = |formula| {
            self.builder.quantity(Quantity { shape: shape.to_vec(), formula, bounds: None }).at(0)
        };
        let location = add(Formula::Ratio { numerator: n1, denominator: d1 });
        let scale = add(Formula::MomentScale {
            first_numerator: n1,
            first_denominator: d1,
            second_numerator: n2,
            second_denominator: d2,
        });
        (location, scale)
    }
}
