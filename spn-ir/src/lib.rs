//! The data structures of the `spn` compiler: circuits, layers, parameters and execution plans.
//!
//! * [`Circuit`] is the high-level intermediate representation: blocks of units that share a
//!   scope, in topological order, with their parameters beside them.
//! * [`layers`] describes networks as stacks of layers and lowers them to a circuit.
//! * [`plan`] is the low-level representation the runtime executes.
//! * `graph` (feature `graph`) shows a circuit to petgraph's algorithms, without a copy.
//! * [`formats`] is the list of file formats for circuits, the project's own and those of other
//!   programs: [`text`] is the readable form of a circuit, [`nodes_json`] a node list for other
//!   programs to write. [`container`] is the binary file of models and plans.
//!
//! This crate knows no passes, no threads and no SIMD; it evaluates nothing but parameters.

mod axis;
pub mod circuit;
pub mod constraint;
pub mod container;
pub mod formats;
#[cfg(feature = "graph")]
pub mod graph;
pub mod initializers;
pub mod layers;
mod named;
pub mod node;
pub mod parameter;
pub mod plan;
pub mod quantity;
pub mod random;
pub mod scope;
#[cfg(test)]
mod test_units;

pub use circuit::{Circuit, CircuitBuilder, CircuitError, NodeOptions, Normalisation};
pub use constraint::NamedConstraint;
pub use formats::{nodes_json, text};
pub use initializers::{Initializer, InitializerError, InitializerRequest, LeafData};
pub use layers::{LayerError, LayerFile, Lowered, Model, Network};
pub use node::{
    Combine, Dropout, DropoutKind, Leaf, LeafFamily, LocationScale, Node, NodeId, NodeKind, Origin,
    PickTable, PickTableId, Product, Sum, VariableId,
};
pub use parameter::{Constraint, Parameter, ParameterId, Parameters};
pub use quantity::{Formula, Quantity, QuantityId, Slice};
pub use scope::{Scope, ScopeId, ScopeTable};
