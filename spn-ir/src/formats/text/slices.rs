//! The numbers that a node reads: a quantity by name, or a list that stands in the node's line and
//! becomes a parameter of its own, called `n<index of the node>/<attribute>`.

use super::attributes::{Attribute, Attributes, Value, wrong_value};
use super::cursor::List;
use super::error::TextProblem;
use super::parser::{Parser, Result};
use crate::{CircuitError, Parameter, Quantity, Slice};

impl<'a> Parser<'a> {
    /// What the attribute `name` says a node reads; `shape` is the shape of an inline list.
    pub(super) fn slice(
        &mut self,
        attributes: &mut Attributes<'a>,
        offset: usize,
        name: &'static str,
        shape: &[usize],
    ) -> Result<Slice> {
        let Some(attribute) = attributes.take(name) else {
            return Err(attributes.missing(&self.cursor, offset, name));
        };
        let place = attribute.offset;
        match &attribute.value {
            Value::List(list) => self.inline(place, name, list, shape),
            Value::Word(word) => self.named(place, name, word, 0, shape),
            Value::At(word, first) => self.named(place, name, word, *first, shape),
            Value::Flag | Value::Call(..) => Err(self.no_slice(&attribute)),
        }
    }

    /// A part of a quantity. That it is long enough is checked here and not left to the builder,
    /// because the product of large widths can be beyond any integer.
    fn named(
        &self,
        place: usize,
        what: &'static str,
        word: &str,
        offset: u32,
        shape: &[usize],
    ) -> Result<Slice> {
        let quantity = self.quantities.find(&self.cursor, place, word)?;
        let length = shape.iter().fold(1_u64, |size, axis| size.saturating_mul(*axis as u64));
        let quantities = &self.builder.circuit().quantities;
        let available = quantities.get(quantity.index()).map_or(0, Quantity::len);
        if length.saturating_add(u64::from(offset)) > available as u64 {
            let error = CircuitError::SliceOutside { what, offset, length, available };
            return Err(self.refused(place, error));
        }
        Ok(quantity.at(offset))
    }

    fn no_slice(&self, attribute: &Attribute<'a>) -> super::TextError {
        let expected = "a list in `[ ]`, a quantity, or a quantity with an offset: `q@4`";
        wrong_value(&self.cursor, attribute, expected)
    }

    /// Makes a parameter of a list in a node's line.
    fn inline(
        &mut self,
        offset: usize,
        name: &'static str,
        list: &List,
        shape: &[usize],
    ) -> Result<Slice> {
        let circuit = self.builder.circuit();
        let parameter_name = format!("n{}/{name}", circuit.nodes.len());
        self.parameters.check_free(&self.cursor, offset, &parameter_name)?;
        // Weights are written one row per output and kept as [inputs, outputs]; everything else
        // is written as it is kept, the last axis in rows.
        let is_transposed = name == "weights";
        let (last, others) = shape.split_last().map_or((1, &[][..]), |(last, rest)| (*last, rest));
        let others = others.iter().fold(1_usize, |size, length| size.saturating_mul(*length));
        let (rows, columns) = if is_transposed { (last, others) } else { (others, last) };
        let size = rows.saturating_mul(columns);
        let is_vector = list.rows == 1 && (rows == 1 || columns == 1);
        if list.values.len() != size || !(is_vector || list.rows == rows) || size == 0 {
            let expected = format!("{rows} rows of {columns} are needed, with `;` between rows");
            let what = format!("{name} in {} rows", list.rows);
            let problem = TextProblem::Count { what, found: list.values.len(), expected };
            return Err(self.cursor.error(offset, problem));
        }
        let values = match is_transposed {
            false => list.values.clone(),
            true => (0..size).map(|i| list.values[i % rows * columns + i / rows]).collect(),
        };
        let line = self.cursor.line();
        let parameter = Parameter::new(parameter_name.as_str(), shape.to_vec(), values);
        let quantity = self.builder.quantity_of(parameter);
        let id = crate::ParameterId(self.builder.circuit().parameters.len() as u32 - 1);
        self.parameters.define(&parameter_name, id, line);
        Ok(quantity.at(0))
    }
}
