//! Networks of layers, with freshly initialised parameters.

use spn_ir::Circuit;
use spn_ir::layers::{BuildOptions, Layer, LayerError, Network};

/// The 28×28 network of the libspn-keras README as a layer file.
const DGC_SPN: &str = include_str!("../../examples/dgc_spn_mnist.json");

/// A Gaussian RAT-SPN over 784 variables as a layer file.
const RAT_SPN: &str = include_str!("../networks/rat_spn_784.json");

/// The 28×28 network of the libspn-keras README.
///
/// # Errors
/// If the layer file does not describe a network.
pub fn dgc_spn() -> Result<Circuit, LayerError> {
    lowered(&Network::from_json(DGC_SPN)?)
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
    lowered(&network)
}

/// A Gaussian random tensorised network (RAT-SPN; Peharz et al. 2019) over 784 variables: depth 4, 10
/// replicas, 20 sums in each region, 20 leaf components, 10 classes.
///
/// # Errors
/// If the layer file does not describe a network.
pub fn rat_spn() -> Result<Circuit, LayerError> {
    lowered(&Network::from_json(RAT_SPN)?)
}

fn lowered(network: &Network) -> Result<Circuit, LayerError> {
    Ok(network.build(&BuildOptions::default())?.lower()?.circuit)
}
