//! What a caller can ask of the compiler.

use spn_ir::NodeId;

/// Options of [`compile`](crate::compile).
///
/// ```
/// use spn_compiler::{Options, compile};
/// use spn_ir::NodeId;
///
/// let circuit = spn_ir::text::parse(
///     "spn 1
///      variables 2
///      a = leaf indicator(0) x2
///      b = leaf indicator(1) x2
///      p = product(a, b)
///      d = dropout(p) sum rate=0.5
///      s = sum(d) weights=[0.5 0.5]
///      root s",
/// )?;
/// // For inference the dropout is gone, and the product is part of the sum.
/// assert_eq!(compile(&circuit, &Options::default())?.steps.len(), 1);
/// // For training dropout is a step of its own, and so is what it reads.
/// let training = Options { dropout: true, ..Options::default() };
/// assert_eq!(compile(&circuit, &training)?.steps.len(), 3);
/// // The product's values can be asked for, too.
/// let product = Options { outputs: vec![NodeId(2)], ..Options::default() };
/// assert_eq!(compile(&circuit, &product)?.outputs.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Compile although the checks found problems. The plan's remarks then list them. Values are
    /// what the nodes compute, but need not be probabilities.
    pub allow_invalid: bool,
    /// Keep dropout nodes, for training. Without it they are removed.
    pub dropout: bool,
    /// Nodes whose values the plan shall keep readable beside the root; no pass removes or fuses
    /// them, which costs speed. They need not be below the root; they are checked, too.
    pub outputs: Vec<NodeId>,
    /// Rows of a part of the network that inference runs step by step and not depth first; see
    /// [`order::SMALL`](crate::order::SMALL), which is the default.
    pub small_part: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_invalid: false,
            dropout: false,
            outputs: Vec::new(),
            small_part: crate::order::SMALL,
        }
    }
}
