//! Reading SPNC models.

use std::collections::HashMap;

use super::message::{Message, Struct, expected};
use crate::formats::error::{ImportError, ImportProblem};
use crate::formats::scalar::{BuildProblem, ScalarKind, Scalars, Values};
use crate::text::MAXIMUM_VARIABLES;
use crate::{Circuit, LocationScale};

type Result<T> = std::result::Result<T, ImportError>;

/// Reads a model, or the model of a query.
pub(super) fn read(bytes: &[u8]) -> Result<Circuit> {
    let message = Message::new(bytes)?;
    let header = message.root()?;
    let model = match u16::from_le_bytes(message.data(header, 0)) {
        0 => message.structure(header, 0, "a model")?,
        1 => {
            let query = message.structure(header, 0, "a query")?;
            let joint = message.structure(query, 0, "a joint probability")?;
            message.structure(joint, 0, "a model")?
        }
        _ => return Err(expected(header.offset, "a model (0) or a query (1)")),
    };
    let variables = i32::from_le_bytes(message.data(model, 4));
    let variables = u32::try_from(variables).ok().filter(|count| *count <= MAXIMUM_VARIABLES);
    let Some(variables) = variables else {
        return Err(expected(model.offset, "a number of variables from 0 to 2^24"));
    };
    let nodes = message.structures(model, 3)?;
    let mut reader = Reader { message, ids: HashMap::new(), scalars: Scalars::default() };
    for (index, node) in nodes.iter().enumerate() {
        reader.define(index, *node)?;
    }
    for node in &nodes {
        reader.node(*node)?;
    }
    let root = reader.root(model, &nodes)?;
    let Reader { scalars, message, .. } = reader;
    let id = |node: usize| i32::from_le_bytes(message.data::<4>(nodes[node], 0)).to_string();
    scalars.build(variables, root, id).map_err(|BuildProblem { node, problem }| {
        ImportError::in_binary(nodes.get(node).map_or(model.offset, |n| n.offset), problem)
    })
}

struct Reader<'a> {
    message: Message<'a>,
    /// Only looked up: its order is random.
    ids: HashMap<i32, u32>,
    scalars: Scalars,
}

impl Reader<'_> {
    fn id(&self, node: Struct) -> i32 {
        i32::from_le_bytes(self.message.data(node, 0))
    }

    fn define(&mut self, index: usize, node: Struct) -> Result<()> {
        let id = self.id(node);
        if self.ids.insert(id, index as u32).is_none() {
            return Ok(());
        }
        let problem = ImportProblem::Duplicate { what: "node", name: id.to_string() };
        Err(ImportError::in_binary(node.offset, problem))
    }

    fn node(&mut self, node: Struct) -> Result<()> {
        let kind = match u16::from_le_bytes(self.message.data(node, 6)) {
            0 => {
                let product = self.message.structure(node, 0, "a product")?;
                ScalarKind::Product(self.children(node, product)?)
            }
            1 => {
                let sum = self.message.structure(node, 0, "a sum")?;
                let children = self.children(node, sum)?;
                let weights = self.message.doubles(sum, 1)?;
                self.values(node, "a weight", &weights, f64::MAX)?;
                ScalarKind::Sum { children, weights: Values::Linear(weights) }
            }
            3 => self.gaussian(node)?,
            4 => {
                let leaf = self.message.structure(node, 0, "a categorical leaf")?;
                let variable = self.variable(leaf, 0)?;
                let probabilities = self.message.doubles(leaf, 0)?;
                self.values(node, "a probability", &probabilities, 1.0)?;
                if probabilities.is_empty() {
                    return Err(expected(leaf.offset, "at least one probability"));
                }
                let probabilities = Values::Linear(probabilities);
                ScalarKind::Categorical { variable, probabilities }
            }
            other => {
                let family = if other == 2 { "histogram".to_owned() } else { format!("{other}") };
                let (node_id, known) = (self.id(node).to_string(), "a Gaussian or categorical");
                let problem = ImportProblem::UnknownFamily { node: node_id, family, known };
                return Err(ImportError::in_binary(node.offset, problem));
            }
        };
        self.scalars.push(kind, 0);
        Ok(())
    }

    fn children(&self, node: Struct, payload: Struct) -> Result<Vec<u32>> {
        let ids = self.message.integers(payload, 0)?;
        let find = |id: &i32| {
            self.ids.get(id).copied().ok_or_else(|| {
                let (what, name, mend) = ("node", id.to_string(), ": it is a child of this node");
                let problem = ImportProblem::Undefined { what, name, mend };
                ImportError::in_binary(node.offset, problem)
            })
        };
        ids.iter().map(find).collect()
    }

    fn gaussian(&self, node: Struct) -> Result<ScalarKind> {
        let leaf = self.message.structure(node, 0, "a Gaussian leaf")?;
        let location = f64::from_le_bytes(self.message.data(leaf, 0));
        let scale = f64::from_le_bytes(self.message.data(leaf, 8));
        if !location.is_finite() {
            return Err(self.out_of_range(leaf, "a mean", "finite", location));
        }
        if !(scale > 0.0 && scale.is_finite()) {
            let allowed = "positive and finite";
            return Err(self.out_of_range(leaf, "a standard deviation", allowed, scale));
        }
        let variable = self.variable(leaf, 16)?;
        Ok(ScalarKind::LocationScale { density: LocationScale::Normal, variable, location, scale })
    }

    fn variable(&self, leaf: Struct, at: usize) -> Result<u32> {
        let variable = i32::from_le_bytes(self.message.data(leaf, at));
        u32::try_from(variable).map_err(|_| expected(leaf.offset, "a variable from 0"))
    }

    fn values(&self, node: Struct, what: &str, values: &[f64], largest: f64) -> Result<()> {
        match values.iter().find(|value| !(0.0..=largest).contains(*value)) {
            None => Ok(()),
            Some(value) if largest == 1.0 => {
                Err(self.out_of_range(node, what, "from 0 to 1", *value))
            }
            Some(value) => Err(self.out_of_range(node, what, "finite and not negative", *value)),
        }
    }

    fn out_of_range(
        &self,
        place: Struct,
        what: &str,
        allowed: &'static str,
        value: f64,
    ) -> ImportError {
        let problem = ImportProblem::OutOfRange { what: what.to_owned(), allowed, value };
        ImportError::in_binary(place.offset, problem)
    }

    /// The root, which is the only node with the mark of one.
    fn root(&self, model: Struct, nodes: &[Struct]) -> Result<u32> {
        let id = i32::from_le_bytes(self.message.data(model, 0));
        let Some(&root) = self.ids.get(&id) else {
            let (what, name, mend) = ("node", id.to_string(), ": the model says it is the root");
            let problem = ImportProblem::Undefined { what, name, mend };
            return Err(ImportError::in_binary(model.offset, problem));
        };
        let is_marked = |node: &Struct| self.message.data::<1>(*node, 4)[0] & 1 == 1;
        match nodes.iter().enumerate().find(|(at, n)| is_marked(n) != (*at == root as usize)) {
            None => Ok(root),
            Some((_, node)) => {
                let what = format!("the mark of the root at node {id}, and at no other");
                Err(expected(node.offset, &what))
            }
        }
    }
}
