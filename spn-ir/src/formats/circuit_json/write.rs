//! Writing a circuit as `spn-circuit-v1`: the types are the schema, field by field.

use serde::{Serialize, Serializer};

use super::NAME;
use crate::{
    Circuit, Combine, Constraint, Dropout, DropoutKind, Formula, LeafFamily, LocationScale, Node,
    NodeKind, Normalisation, Origin, PickTableId, Slice,
};

/// The circuit as the bytes of a file, one node in each line; without its parameters, if they are
/// kept elsewhere.
pub(super) fn write(circuit: &Circuit, with_parameters: bool) -> Vec<u8> {
    let mut text = Vec::from(format!("{{\"format\": \"{NAME}\",\n").as_bytes());
    let mut member = |key: &str, value: &dyn erased::Write| {
        text.extend_from_slice(format!("\"{key}\": ").as_bytes());
        value.write(&mut text);
        text.extend_from_slice(if key == "root" { b"}\n" } else { b",\n" });
    };
    member("variables", &circuit.variables);
    if let Some(normalisation) = &circuit.normalisation {
        member("normalisation", &NormalisationForm::from(normalisation));
    }
    if !circuit.layers.is_empty() {
        member("layers", &circuit.layers);
    }
    let parameters = circuit.parameters.iter().map(|(_, parameter)| ParameterForm {
        name: &parameter.name,
        shape: &parameter.shape,
        trainable: parameter.trainable,
        constraint: parameter.constraint.map(ConstraintForm::from),
        values: Numbers(&parameter.values),
    });
    if with_parameters {
        member("parameters", &Lines(parameters.collect()));
    }
    let quantities = circuit.quantities.iter().map(|quantity| QuantityForm {
        shape: &quantity.shape,
        formula: FormulaForm::from(quantity.formula),
        bounds: quantity.bounds.map(|(minimum, maximum)| [Number(minimum), Number(maximum)]),
    });
    member("quantities", &Lines(quantities.collect()));
    let tables = circuit.tables.iter().map(|table| &table.picks);
    member("tables", &Lines(tables.collect()));
    member("nodes", &Lines(circuit.nodes.iter().map(NodeForm::from).collect()));
    member("root", &circuit.root.0);
    text
}

/// Writing without a type parameter.
mod erased {
    /// Something that has a JSON form.
    pub(super) trait Write {
        /// Appends it.
        fn write(&self, text: &mut Vec<u8>);
    }

    impl<T: serde::Serialize> Write for T {
        fn write(&self, text: &mut Vec<u8>) {
            // Neither a vector of bytes nor these types refuse.
            let _ = serde_json::to_writer(text, self);
        }
    }

    impl<T: serde::Serialize> Write for super::Lines<T> {
        fn write(&self, text: &mut Vec<u8>) {
            text.push(b'[');
            for (index, value) in self.0.iter().enumerate() {
                text.extend_from_slice(if index == 0 { b"\n " } else { b",\n " });
                value.write(text);
            }
            text.push(b']');
        }
    }
}

/// A list with one item in each line.
struct Lines<T>(Vec<T>);

/// A number; infinities are the texts `"inf"` and `"-inf"`.
struct Number(f64);

/// A list of them.
struct Numbers<'a>(&'a [f64]);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("nan"),
            value => serializer.serialize_str(if value > 0.0 { "inf" } else { "-inf" }),
        }
    }
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|value| Number(*value)))
    }
}

/// A tensor that is stored and trained.
#[derive(Serialize)]
struct ParameterForm<'a> {
    name: &'a str,
    shape: &'a [usize],
    trainable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraint: Option<ConstraintForm>,
    values: Numbers<'a>,
}

/// What is done to a parameter after each update.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ConstraintForm {
    Clip { minimum: Number, maximum: Number },
    GreaterEqual { epsilon: Number },
    GreaterEqualNormalized { epsilon: Number, axis: i32 },
    LogNormalized { axis: i32 },
}

impl From<Constraint> for ConstraintForm {
    fn from(constraint: Constraint) -> Self {
        match constraint {
            Constraint::Clip { minimum, maximum } => {
                Self::Clip { minimum: Number(minimum), maximum: Number(maximum) }
            }
            Constraint::GreaterEqualEpsilon { epsilon } => {
                Self::GreaterEqual { epsilon: Number(epsilon) }
            }
            Constraint::GreaterEqualEpsilonNormalized { epsilon, axis } => {
                Self::GreaterEqualNormalized { epsilon: Number(epsilon), axis }
            }
            Constraint::LogNormalized { axis } => Self::LogNormalized { axis },
        }
    }
}

/// A tensor that nodes read.
#[derive(Serialize)]
struct QuantityForm<'a> {
    shape: &'a [usize],
    formula: FormulaForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounds: Option<[Number; 2]>,
}

/// How it is computed from parameters, which go by their positions.
#[derive(Serialize)]
struct FormulaForm {
    kind: &'static str,
    of: Vec<u32>,
}

impl From<Formula> for FormulaForm {
    fn from(formula: Formula) -> Self {
        let kind = match formula {
            Formula::Direct(_) => "direct",
            Formula::Exp(_) => "exp",
            Formula::Softmax(_) => "softmax",
            Formula::Normalized(_) => "normalized",
            Formula::Softplus(_) => "softplus",
            Formula::Ratio { .. } => "ratio",
            Formula::MomentScale { .. } => "moment-scale",
        };
        Self { kind, of: formula.parameters().iter().map(|id| id.0).collect() }
    }
}

/// What is done to the input rows.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum NormalisationForm<'a> {
    SampleWise { epsilon: Number },
    Fixed { mean: Numbers<'a>, deviation: Numbers<'a>, epsilon: Number },
}

impl<'a> From<&'a Normalisation> for NormalisationForm<'a> {
    fn from(normalisation: &'a Normalisation) -> Self {
        match normalisation {
            Normalisation::SampleWise { epsilon } => Self::SampleWise { epsilon: Number(*epsilon) },
            Normalisation::Fixed { mean, deviation, epsilon } => Self::Fixed {
                mean: Numbers(mean),
                deviation: Numbers(deviation),
                epsilon: Number(*epsilon),
            },
        }
    }
}

/// A node: which of the fields there are depends on `type`.
#[derive(Default, Serialize)]
struct NodeForm {
    r#type: &'static str,
    width: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<SliceForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<SliceForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<SliceForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    combine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<SliceForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<DropoutForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginForm>,
}

/// A part of a quantity.
#[derive(Serialize)]
struct SliceForm {
    quantity: u32,
    offset: u32,
}

/// Random masking in training.
#[derive(Serialize)]
struct DropoutForm {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_one: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rescale: Option<bool>,
    rate: Number,
    stream: u32,
    first: u32,
    stride: u32,
}

/// Where a node comes from.
#[derive(Serialize)]
#[serde(untagged)]
enum OriginForm {
    Layer { layer: u32, row: u32, column: u32 },
    Line { line: u32 },
}

impl From<Slice> for SliceForm {
    fn from(slice: Slice) -> Self {
        Self { quantity: slice.quantity.0, offset: slice.offset }
    }
}

impl From<Dropout> for DropoutForm {
    fn from(dropout: Dropout) -> Self {
        let (kind, keep_one, rescale) = match dropout.kind {
            DropoutKind::Sum { keep_one } => ("sum", Some(keep_one), None),
            DropoutKind::Input { rescale } => ("input", None, Some(rescale)),
        };
        let Dropout { rate, stream, first, stride, .. } = dropout;
        Self { kind, keep_one, rescale, rate: Number(rate), stream, first, stride }
    }
}

impl From<&Node> for NodeForm {
    fn from(node: &Node) -> Self {
        let mut form = Self { width: node.width, ..Self::default() };
        match &node.kind {
            NodeKind::Leaf(leaf) => {
                form.variables = Some(leaf.variables.iter().map(|variable| variable.0).collect());
                form.set_family(&leaf.family);
            }
            NodeKind::Product(product) if product.children.is_empty() => form.r#type = "one",
            NodeKind::Product(product) => {
                form.r#type = "product";
                form.children = Some(product.children.iter().map(|child| child.0).collect());
                match product.combine {
                    Combine::ElementWise => {}
                    Combine::Outer => form.combine = Some("outer"),
                    Combine::Table(PickTableId(table)) => form.table = Some(table),
                }
            }
            NodeKind::Sum(sum) => {
                form.r#type = "sum";
                form.children = Some(sum.children.iter().map(|child| child.0).collect());
                form.weights = Some(sum.weights.into());
            }
        }
        form.dropout = node.dropout.map(DropoutForm::from);
        form.origin = match node.origin {
            Origin::Unknown => None,
            Origin::Layer { layer, row, column } => Some(OriginForm::Layer { layer, row, column }),
            Origin::Line(line) => Some(OriginForm::Line { line }),
        };
        form
    }
}

impl NodeForm {
    fn set_family(&mut self, family: &LeafFamily) {
        match *family {
            LeafFamily::LocationScale { density, location, scale } => {
                self.r#type = match density {
                    LocationScale::Normal => "normal",
                    LocationScale::Cauchy => "cauchy",
                    LocationScale::Laplace => "laplace",
                };
                self.location = Some(location.into());
                self.scale = Some(scale.into());
            }
            LeafFamily::Indicator => self.r#type = "indicator",
            LeafFamily::Categorical { states, probabilities } => {
                self.r#type = "categorical";
                self.states = Some(states);
                self.probabilities = Some(probabilities.into());
            }
        }
    }
}
