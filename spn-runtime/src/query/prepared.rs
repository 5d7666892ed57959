//! What queries find out about a plan once and keep: which ways lead down, whether it is deterministic.

use std::sync::OnceLock;

use super::induced_tree::{InducedTrees, needs_valid};
use crate::engine::max_product::MaxConstants;
use crate::executable::Number;
use crate::{Executable, RunError};

/// What was found out so far.
#[derive(Debug)]
pub(crate) struct PreparedQueries<E> {
    trees: OnceLock<Result<InducedTrees, &'static str>>,
    pub(super) deterministic: OnceLock<bool>,
    max_product: OnceLock<MaxConstants<E>>,
}

impl<E> Default for PreparedQueries<E> {
    fn default() -> Self {
        let (trees, deterministic, max_product) = Default::default();
        Self { trees, deterministic, max_product }
    }
}

impl<E> PreparedQueries<E> {
    /// Forgets what depends on parameter values.
    pub(crate) fn forget_parameters(&mut self) {
        (self.deterministic, self.max_product) = Default::default();
    }
}

impl<E: Number> Executable<E> {
    /// The ways down from the root.
    ///
    /// # Errors
    /// If the plan has no induced trees with a probability: it is not complete or not decomposable, or
    /// has negative weights.
    pub(crate) fn induced_trees(&self, query: &'static str) -> Result<&InducedTrees, RunError> {
        if !self.constants().non_negative {
            return Err(needs_valid(query)("it has negative weights"));
        }
        let trees = self.queries().trees.get_or_init(|| InducedTrees::new(self.plan()));
        trees.as_ref().map_err(|problem| needs_valid(query)(problem))
    }

    /// What max-product reads.
    pub(crate) fn max_constants(&self) -> &MaxConstants<E> {
        let new = || MaxConstants::new(self.plan(), self.quantities());
        self.queries().max_product.get_or_init(new)
    }
}
