//! Random weights of sums: every weight formula, tied slices, several matrices in one tensor,
//! zeros and very different magnitudes. Columns always sum to 1.

use rand::RngExt;
use spn_ir::{Constraint, Formula, Slice};

use super::maker::Maker;

impl Maker<'_> {
    /// Normalised weights `[inputs, outputs]`, new ones or ones that another sum reads, too.
    pub(super) fn weights(&mut self, inputs: usize, outputs: usize) -> Slice {
        let key = (inputs, outputs);
        let used = self.used.get(&key).cloned().unwrap_or_default();
        if let Some(slice) = self.choose(&used)
            && self.chance(0.25)
        {
            return slice;
        }
        let spare = self.spare.get_mut(&key).and_then(Vec::pop);
        let slice = spare.unwrap_or_else(|| self.new_weights(inputs, outputs));
        self.used.entry(key).or_default().push(slice);
        slice
    }

    fn new_weights(&mut self, inputs: usize, outputs: usize) -> Slice {
        let matrices = if self.chance(0.25) { self.rng.random_range(2..4) } else { 1 };
        let size = inputs * outputs;
        let linear: Vec<f64> = (0..matrices).flat_map(|_| self.matrix(inputs, outputs)).collect();
        let shape = match matrices {
            1 if self.chance(0.7) => vec![inputs, outputs],
            _ => vec![matrices, inputs, outputs],
        };
        let shift = self.around_zero(3.0);
        let logarithms = |shift: f64| linear.iter().map(|w| w.ln() + shift).collect();
        let axis = Some(Constraint::LogNormalized { axis: -2 });
        let positive = Some(Constraint::GreaterEqualEpsilonNormalized { epsilon: 1e-10, axis: -2 });
        let quantity = match self.rng.random_range(0..5) {
            0 => self.quantity(&shape, linear, Formula::Direct, None, None),
            1 => self.quantity(&shape, linear, Formula::Direct, positive, None),
            2 => self.quantity(&shape, logarithms(0.0), Formula::Exp, axis, None),
            3 => self.quantity(&shape, logarithms(shift), Formula::Softmax, None, None),
            _ => {
                let scaled = linear.iter().map(|w| w * shift.exp()).collect();
                self.quantity(&shape, scaled, Formula::Normalized, None, None)
            }
        };
        let offsets = (1..matrices).map(|matrix| quantity.at((matrix * size) as u32));
        self.spare.entry((inputs, outputs)).or_default().extend(offsets);
        quantity.at(0)
    }

    /// One matrix of linear weights whose columns sum to 1.
    fn matrix(&mut self, inputs: usize, outputs: usize) -> Vec<f64> {
        let spread = if self.extreme { 60.0 } else { 1.5 };
        let mut weights: Vec<f64> =
            (0..inputs * outputs).map(|_| self.around_zero(spread).exp()).collect();
        for output in 0..outputs {
            let kept = self.rng.random_range(0..inputs);
            let cells = (0..inputs).map(|input| input * outputs + output);
            for (input, cell) in cells.clone().enumerate() {
                if self.sparse && input != kept && self.chance(0.4) {
                    weights[cell] = 0.0;
                }
            }
            let total: f64 = cells.clone().map(|cell| weights[cell]).sum();
            cells.for_each(|cell| weights[cell] /= total);
        }
        weights
    }
}
