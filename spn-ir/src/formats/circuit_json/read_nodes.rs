//! Reading the nodes of `spn-circuit-v1`.

use smallvec::SmallVec;

use super::read::{Reader, Result};
use crate::formats::error::ImportProblem;
use crate::formats::json::{Object, Value};
use crate::formats::scalar::scopes_fit;
use crate::{
    CircuitError, Combine, Dropout, DropoutKind, Leaf, LeafFamily, LocationScale, NodeId,
    NodeOptions, Origin, PickTableId, QuantityId, Slice, VariableId,
};

const TYPES: &str = "\"normal\", \"cauchy\", \"laplace\", \"indicator\", \"categorical\", \
    \"product\", \"sum\" or \"one\"";

impl<'a> Reader<'a> {
    /// Adds one node.
    pub(super) fn node(&mut self, index: usize, value: &Value<'a>) -> Result<()> {
        let object = self.document.object(value, format!("node {index}"))?;
        if !scopes_fit(&self.builder) {
            return Err(object.error(ImportProblem::ScopesTooLarge));
        }
        let origin = self.origin(&object)?;
        let width = match object.find("width") {
            Some(_) => Some(object.index("width")?),
            None => None,
        };
        let built = match object.string("type")? {
            "normal" => self.location_scale(&object, LocationScale::Normal, width, origin)?,
            "cauchy" => self.location_scale(&object, LocationScale::Cauchy, width, origin)?,
            "laplace" => self.location_scale(&object, LocationScale::Laplace, width, origin)?,
            "indicator" => {
                object.only(&["type", "width", "variables", "origin"])?;
                let variables = variables(&object)?;
                let leaf = Leaf { family: LeafFamily::Indicator, variables };
                self.builder.leaf(leaf, width.unwrap_or(1), origin)
            }
            "categorical" => self.categorical(&object, width, origin)?,
            "product" => self.product(&object, origin)?,
            "sum" => {
                object.only(&["type", "width", "children", "weights", "origin"])?;
                let children = children(&object)?;
                let weights = self.slice(&object, "weights")?;
                self.builder.sum(&children, width.unwrap_or(1), weights, origin)
            }
            "one" => {
                object.only(&["type", "width", "origin"])?;
                self.builder.one(width.unwrap_or(1), origin)
            }
            _ => return Err(self.document.expected(object.get("type")?, "`type`", TYPES)),
        };
        let node = built.map_err(|error| object.error(error))?;
        let made = self.builder.circuit().node(node).width;
        match width {
            Some(declared) if declared != made => {
                let error = CircuitError::WrongWidth { declared, expected: u64::from(made) };
                Err(self.document.error(object.get("width")?, error))
            }
            _ => Ok(()),
        }
    }

    fn location_scale(
        &mut self,
        object: &Object<'_, 'a>,
        density: LocationScale,
        width: Option<u32>,
        origin: Origin,
    ) -> Result<std::result::Result<NodeId, CircuitError>> {
        object.only(&["type", "width", "variables", "location", "scale", "origin"])?;
        let variables = variables(object)?;
        let location = self.slice(object, "location")?;
        let scale = self.slice(object, "scale")?;
        let family = LeafFamily::LocationScale { density, location, scale };
        Ok(self.builder.leaf(Leaf { family, variables }, width.unwrap_or(1), origin))
    }

    fn categorical(
        &mut self,
        object: &Object<'_, 'a>,
        width: Option<u32>,
        origin: Origin,
    ) -> Result<std::result::Result<NodeId, CircuitError>> {
        object.only(&["type", "width", "variables", "states", "probabilities", "origin"])?;
        let variables = variables(object)?;
        let states = object.index("states")?;
        if states == 0 {
            let value = object.get("states")?;
            return Err(self.document.expected(value, &object.member("states"), "at least 1"));
        }
        let probabilities = self.slice(object, "probabilities")?;
        let family = LeafFamily::Categorical { states, probabilities };
        Ok(self.builder.leaf(Leaf { family, variables }, width.unwrap_or(1), origin))
    }

    fn product(
        &mut self,
        object: &Object<'_, 'a>,
        origin: Origin,
    ) -> Result<std::result::Result<NodeId, CircuitError>> {
        object.only(&["type", "width", "children", "combine", "table", "dropout", "origin"])?;
        let children = children(object)?;
        let combine = match (object.find("combine"), object.find("table")) {
            (None, None) => Combine::ElementWise,
            (None, Some(_)) => Combine::Table(PickTableId(object.index("table")?)),
            (Some(value), None) => match object.string("combine")? {
                "element-wise" => Combine::ElementWise,
                "outer" => Combine::Outer,
                _ => {
                    let expected = "\"element-wise\" or \"outer\"";
                    return Err(self.document.expected(value, "`combine`", expected));
                }
            },
            (Some(value), Some(_)) => {
                let expected = "left out where there is a `table`";
                return Err(self.document.expected(value, "`combine`", expected));
            }
        };
        let dropout = match object.find("dropout") {
            None => None,
            Some(value) => Some(self.dropout(value)?),
        };
        Ok(self.builder.product(&children, combine, NodeOptions { origin, dropout }))
    }

    fn dropout(&self, value: &Value<'a>) -> Result<Dropout> {
        let object = self.document.object(value, "`dropout`")?;
        let kind = match object.string("kind")? {
            "sum" => {
                object.only(&["kind", "keep_one", "rate", "stream", "first", "stride"])?;
                DropoutKind::Sum { keep_one: object.flag("keep_one", false)? }
            }
            "input" => {
                object.only(&["kind", "rescale", "rate", "stream", "first", "stride"])?;
                DropoutKind::Input { rescale: object.flag("rescale", false)? }
            }
            _ => {
                let expected = "\"sum\" or \"input\"";
                return Err(self.document.expected(object.get("kind")?, "`kind`", expected));
            }
        };
        let rate = object.number("rate", false)?;
        if !(0.0..=1.0).contains(&rate) {
            return Err(self.document.expected(object.get("rate")?, "`rate`", "from 0 to 1"));
        }
        let optional = |key: &'static str, default| match object.find(key) {
            Some(_) => object.index(key),
            None => Ok(default),
        };
        let (stream, first) = (optional("stream", 0)?, optional("first", 0)?);
        Ok(Dropout { kind, rate, stream, first, stride: optional("stride", 1)? })
    }

    fn origin(&self, object: &Object<'_, 'a>) -> Result<Origin> {
        let Some(value) = object.find("origin") else { return Ok(Origin::Unknown) };
        let object = self.document.object(value, "`origin`")?;
        if object.find("line").is_some() {
            object.only(&["line"])?;
            return Ok(Origin::Line(object.index("line")?));
        }
        object.only(&["layer", "row", "column"])?;
        let (layer, row) = (object.index("layer")?, object.index("row")?);
        Ok(Origin::Layer { layer, row, column: object.index("column")? })
    }

    fn slice(&self, object: &Object<'_, 'a>, key: &'static str) -> Result<Slice> {
        let value = object.get(key)?;
        let slice = self.document.object(value, object.member(key))?;
        slice.only(&["quantity", "offset"])?;
        let offset = if slice.find("offset").is_some() { slice.index("offset")? } else { 0 };
        Ok(QuantityId(slice.index("quantity")?).at(offset))
    }
}

fn variables(object: &Object<'_, '_>) -> Result<SmallVec<[VariableId; 1]>> {
    Ok(object.indices("variables")?.into_iter().map(VariableId).collect())
}

fn children(object: &Object<'_, '_>) -> Result<Vec<NodeId>> {
    Ok(object.indices("children")?.into_iter().map(NodeId).collect())
}
