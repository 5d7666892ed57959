//! The parameter store: named tensors beside the graph.
//!
//! A [`Parameter`] is what is trained, saved and counted. Nodes do not read it directly: they
//! read a [`Quantity`](crate::Quantity), which a formula makes of one or several parameters. Two
//! nodes that read the same quantity share its parameters (tying).

use serde::{Deserialize, Serialize};

/// Index of a parameter in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ParameterId(pub u32);

impl ParameterId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is done to a parameter's values after each update (a projection).
///
/// `axis` counts from the end as in the reference library: -1 is the last axis, -2 the one before.
/// A non-negative axis counts from the front.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Constraint {
    /// Every value is limited to `[minimum, maximum]`; either bound may be infinite.
    Clip {
        /// Lower bound.
        minimum: f64,
        /// Upper bound.
        maximum: f64,
    },
    /// Every value is at least `epsilon`.
    GreaterEqualEpsilon {
        /// Lower bound.
        epsilon: f64,
    },
    /// Every value is at least `epsilon` divided by the axis' length, then slices along the axis
    /// are divided by their sum.
    GreaterEqualEpsilonNormalized {
        /// Lower bound before it is divided by the axis' length.
        epsilon: f64,
        /// The axis whose slices sum to 1.
        axis: i32,
    },
    /// Log-softmax: the exponentials of slices along the axis sum to 1.
    LogNormalized {
        /// The axis whose slices' exponentials sum to 1.
        axis: i32,
    },
}

/// A named tensor, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Unique name; for layers `<layer index>/<variable name>` as in the reference library.
    pub name: String,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f64>,
    /// Whether training changes it.
    pub trainable: bool,
    /// The projection after each update.
    pub constraint: Option<Constraint>,
}

impl Parameter {
    /// A trainable parameter without constraint.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { name: name.into(), shape, values, trainable: true, constraint: None }
    }

    /// The same parameter, kept fixed by training.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }

    /// The same parameter with a projection after each update.
    #[must_use]
    pub fn constrained(mut self, constraint: Constraint) -> Self {
        self.constraint = Some(constraint);
        self
    }
}

/// The parameters of a circuit, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    list: Vec<Parameter>,
}

impl Parameters {
    /// Adds a parameter. Names are expected to be unique; [`find`](Self::find) gives the first.
    pub fn add(&mut self, parameter: Parameter) -> ParameterId {
        self.list.push(parameter);
        ParameterId(self.list.len() as u32 - 1)
    }

    /// The parameter with this id.
    #[must_use]
    pub fn get(&self, id: ParameterId) -> &Parameter {
        &self.list[id.index()]
    }

    /// The parameter with this id, to change it.
    pub fn get_mut(&mut self, id: ParameterId) -> &mut Parameter {
        &mut self.list[id.index()]
    }

    /// The parameter with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ParameterId> {
        self.list.iter().position(|parameter| parameter.name == name).map(|i| ParameterId(i as u32))
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ParameterId, &Parameter)> {
        self.list.iter().enumerate().map(|(i, parameter)| (ParameterId(i as u32), parameter))
    }

    /// How many parameters (tensors) there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many numbers the trainable parameters hold together.
    #[must_use]
    pub fn trainable_values(&self) -> usize {
        self.list.iter().filter(|p| p.trainable).map(|p| p.values.len()).sum()
    }
}
