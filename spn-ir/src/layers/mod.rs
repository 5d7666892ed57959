//! Layers: networks as stacks of the layers of libspn-keras, and their lowering to circuits.
//!
//! A [`Network`] is a list of [`Layer`]s over input rows of a given shape. It comes from a layer
//! file ([`Network::from_json`]), from a [`region graph`](RegionGraph) or from code:
//!
//! ```
//! use spn_ir::layers::{
//!     BuildOptions, Conv2DProduct, DenseSum, Local2DSum, Network, NormalLeaf, RootSum,
//!     SpatialToRegions,
//! };
//!
//! let network = Network::new([4, 4, 1])
//!     .layer(NormalLeaf::new(3))
//!     .layer(Conv2DProduct::depthwise([2, 2]).strides([2, 2]))
//!     .layer(Local2DSum::new(4))
//!     .layer(Conv2DProduct::depthwise([2, 2]).strides([2, 2]))
//!     .layer(SpatialToRegions {})
//!     .layer(DenseSum::new(10))
//!     .layer(RootSum::default());
//! let model = network.build(&BuildOptions::default())?;
//! assert_eq!(model.parameters.find("2/sum_weights").is_some(), true);
//! let lowered = model.lower()?;
//! assert_eq!(lowered.circuit.scope(lowered.circuit.root).len(), 16);
//! assert_eq!(lowered.layers[1].shape, [2, 2, 3]);
//! # Ok::<(), spn_ir::layers::LayerError>(())
//! ```
//!
//! [`Network::build`] checks shapes, draws what is random (permutations, product kernels,
//! parameters) and gives a [`Model`]; [`Model::lower`] makes the circuit. Nothing executes
//! layers. Semantics are those of libspn-keras 0.6.0 except where a layer's page says otherwise.
//!
//! **Adding a layer**: a file with its options and its `LayerRules`, its `mod` line and its
//! name in the list `layers!` below.

mod build;
mod check;
mod constraint_choice;
mod conv2d_product;
mod conv2d_sum;
mod data;
mod dense_product;
mod dense_sum;
mod dropout;
mod dynamic_network;
mod error;
mod flat_to_regions;
mod indicator_leaf;
mod json;
mod local2d_sum;
mod location_scale_leaf;
mod log_dropout;
mod lowering;
mod model;
mod network;
mod normalize_standard_score;
mod onehot_kernel;
mod permute_and_pad_scopes;
mod permute_and_pad_scopes_random;
mod products;
mod reduce_product;
mod region_graph;
mod root_sum;
mod shape;
mod spatial_to_regions;
mod sum_options;
mod summary;
mod temporal_dense_product;
#[cfg(test)]
mod tests;
mod undecompose;
mod zero_padding2d;

use serde::{Deserialize, Serialize};

pub use build::BuildOptions;
pub use constraint_choice::ConstraintChoice;
pub use conv2d_product::{Conv2DProduct, Padding};
pub use conv2d_sum::Conv2DSum;
pub use data::{DataValues, TrainingData};
pub use dense_product::DenseProduct;
pub use dense_sum::DenseSum;
pub use dropout::Dropout;
pub use dynamic_network::{DynamicModel, DynamicNetwork, Unrolled};
pub use error::{LayerError, LayerProblem, Part, Place};
pub use flat_to_regions::FlatToRegions;
pub use indicator_leaf::IndicatorLeaf;
pub use json::LayerFile;
pub use local2d_sum::Local2DSum;
pub use location_scale_leaf::{CauchyLeaf, LaplaceLeaf, LocationScaleOptions, NormalLeaf};
pub use log_dropout::LogDropout;
pub use lowering::{Cell, LayerTensor};
pub use model::{Lowered, Model};
pub use network::Network;
pub use normalize_standard_score::{AdaptData, NormalizeAxes, NormalizeStandardScore};
pub use permute_and_pad_scopes::PermuteAndPadScopes;
pub use permute_and_pad_scopes_random::PermuteAndPadScopesRandom;
pub use reduce_product::ReduceProduct;
pub use region_graph::{Region, RegionError, RegionGraph, RegionNode, RegionVariable};
pub use root_sum::RootSum;
pub use spatial_to_regions::SpatialToRegions;
pub use sum_options::SumOptions;
pub use summary::{LayerSummary, Summary};
pub use undecompose::Undecompose;
pub use zero_padding2d::{ZeroPadding, ZeroPadding2D};

use build::Initialization;
use lowering::{Lowering, Tensor};
use shape::TensorShape;

use crate::Constraint;

/// What every layer knows about itself. All shapes are without the batch axis.
pub(crate) trait LayerRules {
    /// The shape of the layer's output, with every option checked against the input's shape.
    /// Computed without allocating anything of the output's size.
    fn output(&self, input: TensorShape) -> Result<TensorShape, LayerProblem>;

    /// The layer's parameters, for an input that [`output`](Self::output) accepts.
    fn parameters(&self, input: TensorShape) -> Result<Vec<ParameterSpec>, LayerProblem> {
        let _ = input;
        Ok(Vec::new())
    }

    /// The first values of the parameters, in their order.
    fn initialize(
        &self,
        input: TensorShape,
        initialization: &Initialization<'_>,
    ) -> Result<Vec<Vec<f64>>, LayerProblem> {
        let _ = (input, initialization);
        Ok(Vec::new())
    }

    /// Adds the layer's nodes to the circuit and gives its output.
    fn lower(&self, input: &Tensor, lowering: &mut Lowering<'_>) -> Result<Tensor, LayerProblem>;
}

/// A parameter that a layer has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParameterSpec {
    /// Name within the layer, the reference's.
    pub(crate) name: &'static str,
    /// Lengths of the axes.
    pub(crate) shape: Vec<usize>,
    /// Whether training changes it.
    pub(crate) trainable: bool,
    /// Projection after each update.
    pub(crate) constraint: Option<Constraint>,
}

impl ParameterSpec {
    /// A parameter without constraint.
    pub(crate) fn new(name: &'static str, shape: &[usize], trainable: bool) -> Self {
        Self { name, shape: shape.to_vec(), trainable, constraint: None }
    }
}

/// Makes the enum of all layers; dispatch lives nowhere else.
macro_rules! layers {
    ($($name:ident),+ $(,)?) => {
        /// One layer of a network, in files `{"type": "<name>", …options}`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum Layer {
            $(
                #[doc = concat!("See [`", stringify!($name), "`](struct@", stringify!($name), ").")]
                $name($name),
            )+
        }

        impl Layer {
            /// The layer's name in files, the reference's class name.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// What the layer does.
            pub(crate) fn rules(&self) -> &dyn LayerRules {
                match self {
                    $(Self::$name(layer) => layer,)+
                }
            }
        }

        $(
            impl From<$name> for Layer {
                fn from(layer: $name) -> Self {
                    Self::$name(layer)
                }
            }
        )+
    };
}

layers! {
    NormalizeStandardScore,
    FlatToRegions,
    NormalLeaf,
    CauchyLeaf,
    LaplaceLeaf,
    IndicatorLeaf,
    Dropout,
    PermuteAndPadScopes,
    PermuteAndPadScopesRandom,
    DenseProduct,
    ReduceProduct,
    Conv2DProduct,
    ZeroPadding2D,
    DenseSum,
    Local2DSum,
    Conv2DSum,
    LogDropout,
    Undecompose,
    SpatialToRegions,
    RootSum,
}
