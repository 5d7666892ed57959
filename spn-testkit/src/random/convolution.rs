//! Circuits shaped like a one-dimensional convolutional network: cell `p` of a layer with window
//! `W` covers the variables `p - W + 1 ..= p`; each layer doubles the window. Cells are shared by
//! two parents, and where a window leaves the row it is padded with the constant 1.

use spn_ir::{CircuitError, Combine, NodeId, Origin, Slice};

use super::maker::Maker;

impl Maker<'_> {
    /// The root of a convolutional circuit.
    pub(super) fn convolution(&mut self) -> Result<NodeId, CircuitError> {
        let variables = self.kinds.len();
        let mut width = self.width(4);
        let mut cells: Vec<NodeId> = (0..variables as u32)
            .map(|variable| self.leaf(&[variable], width))
            .collect::<Result<_, _>>()?;
        let mut window = 1;
        while window < variables {
            let next = self.width(4);
            cells = self.layer(&cells, window, width, next)?;
            window *= 2;
            width = next;
        }
        // Every cell whose window holds the whole row.
        let whole = &cells[variables - 1..window];
        let weights = self.weights(whole.len() * width as usize, 1);
        self.builder.sum(whole, 1, weights, Origin::Unknown)
    }

    /// The next layer: cell `p` multiplies cells `p - window` and `p` of the last one, then sums.
    fn layer(
        &mut self,
        cells: &[NodeId],
        window: usize,
        width: u32,
        outputs: u32,
    ) -> Result<Vec<NodeId>, CircuitError> {
        let padding = self.builder.one(width, Origin::Unknown)?;
        let combine = if self.chance(0.5) { Combine::Outer } else { Combine::ElementWise };
        let inputs = if combine == Combine::Outer { width * width } else { width } as usize;
        let tied = self.chance(0.6);
        let shared: Slice = self.weights(inputs, outputs as usize);
        let mut layer = Vec::new();
        for position in 0..cells.len() + window {
            let left = position.checked_sub(window).and_then(|index| cells.get(index));
            let right = cells.get(position);
            let children = [left.copied().unwrap_or(padding), right.copied().unwrap_or(padding)];
            let product = self.builder.product(&children, combine, Origin::Unknown)?;
            let weights = if tied { shared } else { self.weights(inputs, outputs as usize) };
            let sum = self.builder.sum(&[product], outputs, weights, Origin::Unknown)?;
            layer.push(self.maybe_drop(sum)?);
        }
        Ok(layer)
    }
}
