//! What a caller can ask of the compiler.

use spn_ir::NodeId;

/// Options of [`compile`](crate::compile).
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Compile although the checks found problems. The plan's remarks then list them. Values are
    /// what the nodes compute, but need not be probabilities.
    pub allow_invalid: bool,
    /// Keep dropout nodes, for training. Without it they are removed.
    pub dropout: bool,
    /// Nodes whose values the plan shall keep readable beside the root; no pass removes or fuses
    /// them, which costs speed.
    pub outputs: Vec<NodeId>,
}
