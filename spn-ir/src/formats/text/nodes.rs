//! Node statements: what stands right of `name =`.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::attributes::{Attributes, Value, wrong_value};
use super::error::{TextError, TextProblem};
use super::parser::{MAXIMUM_SCOPE_BYTES, Parser, Result};
use crate::{
    CircuitError, Combine, Dropout, DropoutKind, Leaf, LeafFamily, LocationScale, NodeId,
    NodeOptions, Origin, VariableId,
};

type Children = SmallVec<[NodeId; 4]>;

impl<'a> Parser<'a> {
    /// What stands right of `name =`.
    pub(super) fn node(&mut self, line: u32) -> Result<NodeId> {
        let offset = self.cursor.offset();
        self.check_scopes(offset)?;
        let expected = "`leaf`, `product`, `sum`, `one` or `dropout`";
        let kind: Cow<'a, str> = self.cursor.word(expected)?;
        let origin = Origin::Line(line);
        match kind.as_ref() {
            "leaf" => self.leaf(offset, origin),
            "product" => self.product(offset, origin),
            "sum" => self.sum(offset, origin),
            "one" => self.one(offset, origin),
            "dropout" => self.dropout(offset, origin),
            other => Err(self.unknown(offset, expected, other)),
        }
    }

    /// Refuses to let a short text ask for very many bits of scopes.
    fn check_scopes(&self, offset: usize) -> Result<()> {
        let circuit = self.builder.circuit();
        // Each scope is kept twice: in a list and as a key.
        let each = circuit.variables as usize / 4 + 16;
        if (circuit.scopes.len() + 1).saturating_mul(each) > MAXIMUM_SCOPE_BYTES {
            return Err(self.cursor.error(offset, TextProblem::ScopesTooLarge));
        }
        Ok(())
    }

    /// `leaf normal(0) x2 location=[0 1] scale=[1 1]`
    fn leaf(&mut self, offset: usize, origin: Origin) -> Result<NodeId> {
        let families = "`normal`, `cauchy`, `laplace`, `indicator` or `categorical`";
        let family_offset = self.cursor.offset();
        let name = self.cursor.word(families)?;
        let variables = self.leaf_variables()?;
        let known = "a width `x2`, `location`, `scale`, `states` and `probabilities`";
        let mut attributes = Attributes::read(&mut self.cursor, "leaf", known)?;
        let width = attributes.width().map_or(1, |(width, _)| width);
        let shape = (width as usize, variables.len());
        let family = match name.as_ref() {
            "normal" => {
                self.location_scale(LocationScale::Normal, &mut attributes, offset, shape)?
            }
            "cauchy" => {
                self.location_scale(LocationScale::Cauchy, &mut attributes, offset, shape)?
            }
            "laplace" => {
                self.location_scale(LocationScale::Laplace, &mut attributes, offset, shape)?
            }
            "indicator" => LeafFamily::Indicator,
            "categorical" => self.categorical(&mut attributes, offset, shape)?,
            other => return Err(self.unknown(family_offset, families, other)),
        };
        attributes.finish(&self.cursor)?;
        let built = self.builder.leaf(Leaf { family, variables }, width, origin);
        built.map_err(|error| self.refused_at(&attributes, offset, error))
    }

    /// The variables of a leaf, by number or name, in parentheses.
    fn leaf_variables(&mut self) -> Result<SmallVec<[VariableId; 1]>> {
        let mut variables = SmallVec::new();
        self.cursor.punctuation('(')?;
        while !self.cursor.accept(')') {
            let offset = self.cursor.offset();
            let expected = "a variable: a number from 0, a name from the line `variables`, or `)`";
            let name = self.cursor.word(expected)?;
            let number = || name.parse::<u32>().ok();
            let Some(variable) = self.variables.get(&name).or_else(number) else {
                return Err(self.unknown(offset, expected, &name));
            };
            let count = self.builder.circuit().variables;
            if variable >= count {
                let error = CircuitError::UnknownVariable { variable, count };
                return Err(self.refused(offset, error));
            }
            variables.push(VariableId(variable));
            self.cursor.accept(',');
        }
        Ok(variables)
    }

    fn location_scale(
        &mut self,
        density: LocationScale,
        attributes: &mut Attributes<'a>,
        offset: usize,
        (width, variables): (usize, usize),
    ) -> Result<LeafFamily> {
        let shape = [width, variables];
        let location = self.slice(attributes, offset, "location", &shape)?;
        let scale = self.slice(attributes, offset, "scale", &shape)?;
        Ok(LeafFamily::LocationScale { density, location, scale })
    }

    fn categorical(
        &mut self,
        attributes: &mut Attributes<'a>,
        offset: usize,
        (width, variables): (usize, usize),
    ) -> Result<LeafFamily> {
        let given = attributes.place("states");
        let mut states = attributes.integer(&self.cursor, "states", 0)?;
        if let (None, Some(Value::List(list))) = (given, attributes.peek("probabilities")) {
            states = u32::try_from(list.values.len() / list.rows).unwrap_or(u32::MAX);
        }
        if states == 0 {
            return Err(attributes.missing(&self.cursor, given.unwrap_or(offset), "states=2"));
        }
        let shape: &[usize] = match variables {
            1 => &[width, states as usize],
            _ => &[width, variables, states as usize],
        };
        let probabilities = self.slice(attributes, offset, "probabilities", shape)?;
        Ok(LeafFamily::Categorical { states, probabilities })
    }

    /// `product(a, b) outer`
    fn product(&mut self, offset: usize, origin: Origin) -> Result<NodeId> {
        let children = self.children()?;
        let known = "a width `x2`, `outer` and `pick`";
        let mut attributes = Attributes::read(&mut self.cursor, "product", known)?;
        let width = attributes.width();
        let combine = match (attributes.flag("outer"), attributes.take("pick")) {
            (true, _) => Combine::Outer,
            (false, None) => Combine::ElementWise,
            (false, Some(attribute)) => Combine::Table(match &attribute.value {
                Value::List(list) => self.pick_table(attribute.offset, list)?,
                Value::Word(name) => self.tables.find(&self.cursor, attribute.offset, name)?,
                _ => {
                    let expected = "a list with one row per child, or the name of a table";
                    return Err(wrong_value(&self.cursor, &attribute, expected));
                }
            }),
        };
        attributes.finish(&self.cursor)?;
        let built = self.builder.product(&children, combine, origin);
        let node = built.map_err(|error| self.refused_at(&attributes, offset, error))?;
        self.check_width(node, width)
    }

    /// `sum(p, q) x2 weights=[0.3 0.7; 0.5 0.5]`
    fn sum(&mut self, offset: usize, origin: Origin) -> Result<NodeId> {
        let children = self.children()?;
        let known = "a width `x2` and `weights`";
        let mut attributes = Attributes::read(&mut self.cursor, "sum", known)?;
        let width = attributes.width().map_or(1, |(width, _)| width);
        let circuit = self.builder.circuit();
        let inputs = children.iter().map(|child| circuit.node(*child).width as usize).sum();
        let weights = self.slice(&mut attributes, offset, "weights", &[inputs, width as usize])?;
        attributes.finish(&self.cursor)?;
        let built = self.builder.sum(&children, width, weights, origin);
        built.map_err(|error| self.refused_at(&attributes, offset, error))
    }

    /// `one x3`
    fn one(&mut self, offset: usize, origin: Origin) -> Result<NodeId> {
        let mut attributes = Attributes::read(&mut self.cursor, "one", "a width `x2`")?;
        let (width, place) = attributes.width().unwrap_or((1, offset));
        attributes.finish(&self.cursor)?;
        self.builder.one(width, origin).map_err(|error| self.refused(place, error))
    }

    /// `dropout(p) sum rate=0.5 stream=3 first=0 stride=1 keep-one`
    fn dropout(&mut self, offset: usize, origin: Origin) -> Result<NodeId> {
        let children = self.children()?;
        let known = "`sum` with `keep-one`, `input` with `rescale`, a width `x2`, `rate`, \
            `stream`, `first` and `stride`";
        let mut attributes = Attributes::read(&mut self.cursor, "dropout", known)?;
        let width = attributes.width();
        let kind = if attributes.flag("sum") {
            DropoutKind::Sum { keep_one: attributes.flag("keep-one") }
        } else if attributes.flag("input") {
            DropoutKind::Input { rescale: attributes.flag("rescale") }
        } else {
            return Err(attributes.missing(&self.cursor, offset, "sum` or `input"));
        };
        let Some((rate, place)) = attributes.number(&self.cursor, "rate")? else {
            return Err(attributes.missing(&self.cursor, offset, "rate=0.5"));
        };
        if !(0.0..=1.0).contains(&rate) {
            let (what, range) = ("a dropout rate", "between 0 and 1");
            let problem = TextProblem::OutOfRange { what, range, value: rate };
            return Err(self.cursor.error(place, problem));
        }
        let stream = attributes.integer(&self.cursor, "stream", 0)?;
        let first = attributes.integer(&self.cursor, "first", 0)?;
        let stride = attributes.integer(&self.cursor, "stride", 1)?;
        attributes.finish(&self.cursor)?;
        let dropout = Some(Dropout { kind, rate, stream, first, stride });
        let options = NodeOptions { origin, dropout };
        let built = self.builder.product(&children, Combine::ElementWise, options);
        let node = built.map_err(|error| self.refused(offset, error))?;
        self.check_width(node, width)
    }

    /// The names of nodes in parentheses.
    fn children(&mut self) -> Result<Children> {
        let mut children = Children::new();
        self.cursor.punctuation('(')?;
        while !self.cursor.accept(')') {
            children.push(self.node_name()?.0);
            self.cursor.accept(',');
        }
        Ok(children)
    }

    /// Checks a width that was declared although it follows from the children.
    fn check_width(&self, node: NodeId, declared: Option<(u32, usize)>) -> Result<NodeId> {
        let width = self.builder.circuit().node(node).width;
        match declared {
            Some((declared, offset)) if declared != width => {
                let error = CircuitError::WrongWidth { declared, expected: u64::from(width) };
                Err(self.refused(offset, error))
            }
            _ => Ok(node),
        }
    }

    /// The error of a word that is not one of those that can stand there.
    fn unknown(&self, offset: usize, expected: &str, word: &str) -> TextError {
        let found = format!("`{}`", word.chars().take(40).collect::<String>());
        let expected = expected.to_owned();
        self.cursor.error(offset, TextProblem::Expected { expected, found })
    }

    /// The error of a node that the builder refused, at the attribute that is to blame.
    fn refused_at(
        &self,
        attributes: &Attributes<'a>,
        offset: usize,
        error: CircuitError,
    ) -> TextError {
        let attribute = match &error {
            CircuitError::BadTable { .. } => "pick",
            _ => "",
        };
        self.refused(attributes.place(attribute).unwrap_or(offset), error)
    }
}
