//! What the benchmarks share: networks and data made from a formula, so that nothing is read, and
//! what the machine could do at best.

mod circuits;
mod peak;

use spn_ir::Circuit;
use spn_ir::layers::{BuildOptions, Layer, LayerError, Network};

pub use circuits::scalar_tree;
pub use peak::peak_flops;

/// The 28×28 network of the libspn-keras README as a layer file.
const DGC_SPN: &str = include_str!("../../examples/dgc_spn_mnist.json");

/// The network's circuit with freshly initialised parameters.
///
/// # Errors
/// If the layer file does not describe a network.
pub fn dgc_spn() -> Result<Circuit, LayerError> {
    let network = Network::from_json(DGC_SPN)?;
    let model = network.build(&BuildOptions::default())?;
    Ok(model.lower()?.circuit)
}

/// The same network as the reference library trains it by expectation maximisation: linear weights,
/// leaves as moment accumulators.
///
/// # Errors
/// If the layer file does not describe a network.
pub fn dgc_spn_for_counting() -> Result<Circuit, LayerError> {
    let mut network = Network::from_json(DGC_SPN)?;
    for layer in &mut network.layers {
        match layer {
            Layer::NormalLeaf(leaf) => leaf.0.use_accumulators = true,
            Layer::Local2DSum(sum) => sum.0.logspace_accumulators = Some(false),
            Layer::DenseSum(sum) => sum.0.logspace_accumulators = Some(false),
            Layer::RootSum(root) => root.logspace_accumulators = Some(false),
            _ => {}
        }
    }
    Ok(network.build(&BuildOptions::default())?.lower()?.circuit)
}

/// Smooth grey images in 0..=255, row-major.
#[must_use]
pub fn images(rows: usize, columns: usize) -> Vec<f32> {
    let value = |index: usize| {
        let phase = (index / columns) as f32 * 0.7 + (index % columns) as f32 * 0.013;
        127.5 * (1.0 + phase.sin() * (phase * 3.1).cos())
    };
    (0..rows * columns).map(value).collect()
}
