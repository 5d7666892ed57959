//! Why a stack of layers is not a network.
//!
//! A [`LayerError`] says where (layer index, its type, the part of a dynamic network) and a
//! [`LayerProblem`] what was expected, what was found and how to mend it.

use std::fmt;

use thiserror::Error;

use crate::CircuitError;
use crate::initializers::InitializerError;

use super::region_graph::RegionError;

/// Why a layer file, a stack of layers or a region graph is not a network.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LayerError {
    /// One layer is wrong.
    #[error("{place}: {problem}")]
    Layer {
        /// Which layer.
        place: Place,
        /// What is wrong with it.
        problem: Box<LayerProblem>,
    },
    /// The file is not JSON.
    #[error("the layer file is not valid JSON, line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// The file is JSON, but not a layer file.
    #[error("the layer file {reason}")]
    File {
        /// What is wrong with it.
        reason: String,
    },
    /// The shape of the input rows is none.
    #[error(
        "`variables` is {found:?}; give [variables], [variables, dimensions] or [height, width, channels], each at least 1 and together at most {limit}"
    )]
    Variables {
        /// What was given.
        found: Vec<usize>,
        /// The most variables a network may have.
        limit: usize,
    },
    /// There is no layer.
    #[error("the {what} has no layers")]
    Empty {
        /// `network` or the part of a dynamic network.
        what: &'static str,
    },
    /// The region graph is wrong.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The parts of a dynamic network do not fit each other.
    #[error("the parts of the dynamic network do not fit: {reason}")]
    Parts {
        /// What does not fit.
        reason: String,
    },
    /// The parameters are not those of the network.
    #[error("the parameters are not those of the network: {reason}")]
    Parameters {
        /// What does not fit.
        reason: String,
    },
}

/// Which layer an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The part of a dynamic network; `None` in an ordinary one.
    pub part: Option<Part>,
    /// Index in its list, from 0 at the bottom.
    pub layer: usize,
    /// The layer's type, `?` if it could not be read.
    pub type_name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, layer, type_name } = self;
        match part {
            None => write!(f, "layer {layer} ({type_name})"),
            Some(part) => write!(f, "layer {part}/{layer} ({type_name})"),
        }
    }
}

/// The four stacks of a dynamic network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What each step's variables go through.
    Template,
    /// From the template to the interface of the same step.
    InterfaceT0,
    /// From the combined interfaces to the next step's previous interface.
    InterfaceTMinus1,
    /// From the combined interfaces to the step's output.
    Top,
}

impl Part {
    /// The part's name in files and parameter names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::InterfaceT0 => "interface_t0",
            Self::InterfaceTMinus1 => "interface_t_minus_1",
            Self::Top => "top",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with a layer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LayerProblem {
    /// The layer cannot be read from its JSON.
    #[error("{reason}")]
    Unreadable {
        /// What the reader says.
        reason: String,
    },
    /// An option has a value it must not have.
    #[error("option `{option}` {reason}")]
    BadOption {
        /// The option.
        option: &'static str,
        /// What it is and what it must be.
        reason: String,
    },
    /// The layer below gives something else than this layer takes.
    #[error("it takes {expected}, but what comes from below is {found}; {mend}")]
    WrongInput {
        /// What the layer takes.
        expected: &'static str,
        /// The shape from below, in words.
        found: String,
        /// What to do.
        mend: &'static str,
    },
    /// Groups do not come out even.
    #[error("`{option}` {by} does not divide the {count} {what} from below; {mend}")]
    NotDivisible {
        /// The option.
        option: &'static str,
        /// Its value.
        by: usize,
        /// What is grouped.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// What to do.
        mend: &'static str,
    },
    /// A kernel is larger than the padded image.
    #[error(
        "the kernel reaches over {kernel} {axis} (dilation included), but the padded image has {available}; make the kernel or its dilation smaller, or pad"
    )]
    KernelTooLarge {
        /// `rows` or `columns`.
        axis: &'static str,
        /// Rows or columns from the kernel's first cell to its last.
        kernel: usize,
        /// Rows or columns there are, padding included.
        available: usize,
    },
    /// `final` padding with a kernel that cannot reach all cells.
    #[error(
        "padding `final` needs a dilation of at least half the image, so that every cell is reached: the image has {size} {axis}, the kernel reaches {reach}"
    )]
    FinalTooLarge {
        /// `rows` or `columns`.
        axis: &'static str,
        /// Rows or columns of the image.
        size: usize,
        /// How many a kernel with this dilation covers: twice its reach.
        reach: usize,
    },
    /// The network would need too much memory.
    #[error("{what} would need more than {limit} values; make the network smaller")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Training data are needed and not there.
    #[error("{what} is computed from training data; pass training data when building the network")]
    NeedsData {
        /// The layer's variable or statistic.
        what: &'static str,
    },
    /// The data do not fit.
    #[error("the data do not fit: {reason}")]
    BadData {
        /// What does not fit.
        reason: String,
    },
    /// An initialiser gives no values.
    #[error("parameter `{parameter}`: {error}")]
    Initializer {
        /// The parameter.
        parameter: &'static str,
        /// What the initialiser says.
        error: InitializerError,
    },
    /// The circuit refuses a node.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// A parameter of the layer is not in the store.
    #[error("the parameter `{name}` is missing; it must have the shape {shape:?}")]
    MissingParameter {
        /// Its full name.
        name: String,
        /// The shape it must have.
        shape: Vec<usize>,
    },
    /// A parameter has another shape than the layer's.
    #[error(
        "the parameter `{name}` has the shape {found:?} and {values} values; it must have the shape {expected:?}"
    )]
    WrongParameter {
        /// Its full name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many values it has.
        values: usize,
        /// The shape it must have.
        expected: Vec<usize>,
    },
    /// A product kernel that does not select one channel.
    #[error(
        "`onehot_kernel` must hold a single 1 (else 0) over its input channels; it does not for kernel cell {cell}, output channel {channel}"
    )]
    NotOneHot {
        /// Kernel cell, row-major.
        cell: usize,
        /// Output channel.
        channel: usize,
    },
    /// The last layer does not end in one unit.
    #[error(
        "a network must end in a single unit, but this last layer gives {found}; end it with RootSum"
    )]
    NoRoot {
        /// The last layer's output shape.
        found: String,
    },
}

impl LayerProblem {
    /// The problem as an error of the layer at `place`.
    pub(crate) fn at(self, place: Place) -> LayerError {
        LayerError::Layer { place, problem: Box::new(self) }
    }

    /// An option whose value must be at least 1.
    pub(crate) fn at_least_one(option: &'static str, value: usize) -> Result<(), Self> {
        if value > 0 {
            return Ok(());
        }
        Err(Self::BadOption { option, reason: "is 0; it must be at least 1".to_owned() })
    }
}
