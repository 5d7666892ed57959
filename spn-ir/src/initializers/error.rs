//! Why an initialiser gives no values.

use thiserror::Error;

/// Why an initialiser gives no values.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InitializerError {
    /// An option out of its range.
    #[error("option `{option}` of initializer {initializer} is {value}; it must be {allowed}")]
    BadOption {
        /// The initialiser's name.
        initializer: &'static str,
        /// The option's name.
        option: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// An axis that the parameter does not have.
    #[error(
        "initializer {initializer} works along axis {axis}, but the parameter has the shape {shape:?}; give an `axis` inside it"
    )]
    NoSuchAxis {
        /// The initialiser's name.
        initializer: &'static str,
        /// The axis.
        axis: i32,
        /// The parameter's shape.
        shape: Vec<usize>,
    },
    /// A list of values of another length than the parameter.
    #[error("{given} values are given for a parameter of shape {shape:?}, which holds {wanted}")]
    WrongCount {
        /// How many are given.
        given: usize,
        /// How many are needed.
        wanted: usize,
        /// The parameter's shape.
        shape: Vec<usize>,
    },
    /// A data-driven initialiser without data.
    #[error(
        "initializer {initializer} computes its values from data, but none are given; \
             initialise the network together with its training data"
    )]
    NeedsData {
        /// The initialiser's name.
        initializer: &'static str,
    },
    /// A data-driven initialiser for something that is no location or scale of these data.
    #[error(
        "initializer {initializer} makes values of the shape [1, {rows}, {columns}, components, \
             {dimensions}] from these data, but the parameter has {shape:?}; use it for the \
             location or scale of a leaf layer"
    )]
    WrongShape {
        /// The initialiser's name.
        initializer: &'static str,
        /// First length of the data's cells.
        rows: usize,
        /// Second length of the data's cells.
        columns: usize,
        /// Variables of each cell.
        dimensions: usize,
        /// The parameter's shape.
        shape: Vec<usize>,
    },
    /// Data whose parts contradict each other.
    #[error(
        "the leaf data say {rows} rows of {cells:?} cells with {dimensions} variables, which \
             does not make their {values} values"
    )]
    BadData {
        /// How many rows they say to have.
        rows: usize,
        /// Cells of each row; two lengths are expected.
        cells: Vec<usize>,
        /// Variables of each cell.
        dimensions: usize,
        /// How many values there are.
        values: usize,
    },
    /// More clusters than k-means may have, and not a multiple of them.
    #[error(
        "{components} components are more than KMeans' `max_num_clusters`, {clusters}, and no \
             multiple of it; change `num_components` or `max_num_clusters`"
    )]
    NoMultiple {
        /// Components of the leaf.
        components: usize,
        /// The option.
        clusters: usize,
    },
}
