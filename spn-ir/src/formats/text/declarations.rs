//! Statements beside nodes: `normalise`, `parameter`, `quantity` and `table`.

use std::borrow::Cow;

use super::attributes::{Attribute, Attributes, Value, wrong_value};
use super::cursor::List;
use super::error::TextProblem;
use super::parser::{Parser, Result};
use crate::{
    Constraint, Formula, Normalisation, Parameter, ParameterId, PickTable, PickTableId, Quantity,
};

const PICKS: &str = "a unit's number";
const WHOLE: &str = "a whole number from 0 to 2^32 - 1";

impl<'a> Parser<'a> {
    /// `normalise sample-wise epsilon=1e-8` or `normalise fixed mean=[…] deviation=[…] epsilon=…`
    pub(super) fn normalise(&mut self, offset: usize) -> Result<()> {
        let known = "`mean`, `deviation` and `epsilon`";
        let what = "`sample-wise` or `fixed`";
        let fixed = self.cursor.is_word("fixed");
        if !fixed && !self.cursor.is_word("sample-wise") {
            return Err(self.cursor.expected(what));
        }
        self.cursor.take();
        let mut attributes = Attributes::read(&mut self.cursor, "normalisation", known)?;
        let epsilon = attributes.number(&self.cursor, "epsilon")?.map_or(1e-8, |(value, _)| value);
        let normalisation = if fixed {
            let mean = self.variable_list(&mut attributes, offset, "mean")?;
            let deviation = self.variable_list(&mut attributes, offset, "deviation")?;
            Normalisation::Fixed { mean, deviation, epsilon }
        } else {
            Normalisation::SampleWise { epsilon }
        };
        attributes.finish(&self.cursor)?;
        self.builder.set_normalisation(Some(normalisation));
        Ok(())
    }

    /// An attribute that is a list of one number for each variable.
    fn variable_list(
        &mut self,
        attributes: &mut Attributes<'a>,
        offset: usize,
        name: &'static str,
    ) -> Result<Vec<f64>> {
        let Some(attribute) = attributes.take(name) else {
            return Err(attributes.missing(&self.cursor, offset, name));
        };
        let Value::List(list) = &attribute.value else {
            return Err(wrong_value(&self.cursor, &attribute, "a list in `[ ]`"));
        };
        let count = self.builder.circuit().variables as usize;
        if list.values.len() != count {
            let expected = format!("there are {count} variables");
            let problem =
                TextProblem::Count { what: name.to_owned(), found: list.values.len(), expected };
            return Err(self.cursor.error(attribute.offset, problem));
        }
        Ok(list.values.clone())
    }

    /// `parameter w [2 2] frozen constraint=log-normalized(-2) = [0.3 0.7; 0.5 0.5]`
    pub(super) fn parameter(&mut self, line: u32) -> Result<()> {
        let offset = self.cursor.offset();
        let name = self.cursor.word("the name of the parameter")?;
        self.parameters.check_free(&self.cursor, offset, &name)?;
        let shape = self.shape()?;
        let known = "`frozen` and `constraint`, then `= [values]`";
        let mut attributes = Attributes::read(&mut self.cursor, "parameter", known)?;
        let trainable = !attributes.flag("frozen");
        let constraint = match attributes.take("constraint") {
            Some(attribute) => Some(self.constraint(&attribute, &shape)?),
            None => None,
        };
        attributes.finish(&self.cursor)?;
        self.cursor.punctuation('=')?;
        let values_offset = self.cursor.offset();
        let List { values, .. } = self.cursor.list()?;
        self.check_shape(values_offset, &name, &shape, values.len())?;
        let parameter = Parameter { name: name.to_string(), shape, values, trainable, constraint };
        let id = self.builder.parameter(parameter);
        self.parameters.define(&name, id, line);
        Ok(())
    }

    /// `quantity q [2 2] = exp(w) bounds=[0 1]`
    pub(super) fn quantity(&mut self, line: u32) -> Result<()> {
        let offset = self.cursor.offset();
        let name = self.cursor.word("the name of the quantity")?;
        self.quantities.check_free(&self.cursor, offset, &name)?;
        let shape = if self.cursor.is('[') { Some(self.shape()?) } else { None };
        self.cursor.punctuation('=')?;
        let formula_offset = self.cursor.offset();
        let formula = self.formula()?;
        let count = self.same_count(formula_offset, formula)?;
        let shape = match shape {
            Some(shape) => {
                self.check_shape(formula_offset, &name, &shape, count)?;
                shape
            }
            None => self.first_parameter(formula).shape.clone(),
        };
        let mut attributes = Attributes::read(&mut self.cursor, "quantity", "`bounds`")?;
        let bounds = match attributes.take("bounds") {
            Some(attribute) => Some(self.bounds(&attribute)?),
            None => None,
        };
        attributes.finish(&self.cursor)?;
        let id = self.builder.quantity(Quantity { shape, formula, bounds });
        self.quantities.define(&name, id, line);
        Ok(())
    }

    /// `table t [0 0 1; 0 1 1]`
    pub(super) fn table(&mut self, line: u32) -> Result<()> {
        let offset = self.cursor.offset();
        let name = self.cursor.word("the name of the table")?;
        self.tables.check_free(&self.cursor, offset, &name)?;
        let offset = self.cursor.offset();
        let list = self.cursor.list()?;
        let id = self.pick_table(offset, &list)?;
        self.tables.define(&name, id, line);
        Ok(())
    }

    /// Adds the pick table that a list says, one row for each child.
    pub(super) fn pick_table(&mut self, offset: usize, list: &List) -> Result<PickTableId> {
        let columns = list.values.len() / list.rows;
        let mut picks = vec![Vec::with_capacity(columns); list.rows];
        for (index, value) in list.values.iter().enumerate() {
            picks[index / columns].push(self.whole(offset, PICKS, *value)?);
        }
        Ok(self.builder.table(PickTable { picks }))
    }

    /// A number that must be whole.
    fn whole(&self, offset: usize, what: &'static str, value: f64) -> Result<u32> {
        if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) {
            return Ok(value as u32);
        }
        Err(self.cursor.error(offset, TextProblem::OutOfRange { what, range: WHOLE, value }))
    }

    /// The lengths of a tensor's axes in brackets.
    fn shape(&mut self) -> Result<Vec<usize>> {
        let offset = self.cursor.offset();
        let list = self.cursor.list()?;
        let axis = |value: &f64| match self.whole(offset, "the length of an axis", *value) {
            Ok(0) => {
                let (what, range) = ("the length of an axis", "at least 1");
                Err(self.cursor.error(offset, TextProblem::OutOfRange { what, range, value: 0.0 }))
            }
            other => other.map(|length| length as usize),
        };
        list.values.iter().map(axis).collect()
    }

    fn check_shape(&self, offset: usize, name: &str, shape: &[usize], found: usize) -> Result<()> {
        let size = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
        if size == Some(found) {
            return Ok(());
        }
        let size = size.map_or("too many".to_owned(), |size| size.to_string());
        let expected = format!("its shape {shape:?} has {size}");
        let what = format!("`{}`", name.chars().take(40).collect::<String>());
        Err(self.cursor.error(offset, TextProblem::Count { what, found, expected }))
    }

    fn constraint(&self, attribute: &Attribute<'a>, shape: &[usize]) -> Result<Constraint> {
        let expected = "clip(minimum, maximum), greater-equal(epsilon), \
            greater-equal-normalized(epsilon, axis) or log-normalized(axis)";
        let wrong = || wrong_value(&self.cursor, attribute, expected);
        let axis = |value: f64| {
            let whole = value.fract() == 0.0 && value.abs() < f64::from(i32::MAX);
            if whole { Ok(value as i32) } else { Err(wrong()) }
        };
        let Value::Call(name, arguments) = &attribute.value else { return Err(wrong()) };
        let constraint = match (name.as_ref(), arguments.as_slice()) {
            ("clip", &[minimum, maximum]) => Constraint::Clip { minimum, maximum },
            ("greater-equal", &[epsilon]) => Constraint::GreaterEqualEpsilon { epsilon },
            ("greater-equal-normalized", &[epsilon, along]) => {
                Constraint::GreaterEqualEpsilonNormalized { epsilon, axis: axis(along)? }
            }
            ("log-normalized", &[along]) => Constraint::LogNormalized { axis: axis(along)? },
            _ => return Err(wrong()),
        };
        match constraint {
            Constraint::GreaterEqualEpsilonNormalized { axis, .. }
            | Constraint::LogNormalized { axis }
                if !constraint.fits(shape) =>
            {
                let axes = shape.len();
                Err(self.cursor.error(attribute.offset, TextProblem::Axis { axis, axes }))
            }
            _ => Ok(constraint),
        }
    }

    fn formula(&mut self) -> Result<Formula> {
        let expected = "direct(p), exp(p), softmax(p), normalized(p), softplus(p), ratio(n, d) or \
            moment-scale(n1, d1, n2, d2)";
        let offset = self.cursor.offset();
        let name: Cow<'a, str> = self.cursor.word(expected)?;
        self.cursor.punctuation('(')?;
        let mut ids: Vec<ParameterId> = Vec::new();
        while !self.cursor.accept(')') {
            let offset = self.cursor.offset();
            let parameter = self.cursor.word("the name of a parameter or `)`")?;
            ids.push(self.parameters.find(&self.cursor, offset, &parameter)?);
            self.cursor.accept(',');
        }
        match (name.as_ref(), ids.as_slice()) {
            ("direct", &[p]) => Ok(Formula::Direct(p)),
            ("exp", &[p]) => Ok(Formula::Exp(p)),
            ("softmax", &[p]) => Ok(Formula::Softmax(p)),
            ("normalized", &[p]) => Ok(Formula::Normalized(p)),
            ("softplus", &[p]) => Ok(Formula::Softplus(p)),
            ("ratio", &[numerator, denominator]) => Ok(Formula::Ratio { numerator, denominator }),
            ("moment-scale", &[n1, d1, n2, d2]) => Ok(Formula::MomentScale {
                first_numerator: n1,
                first_denominator: d1,
                second_numerator: n2,
                second_denominator: d2,
            }),
            _ => {
                let found = format!("`{}` of {} parameters", name, ids.len());
                let expected = expected.to_owned();
                Err(self.cursor.error(offset, TextProblem::Expected { expected, found }))
            }
        }
    }

    /// How many values the parameters of a formula have: all as many.
    fn same_count(&self, offset: usize, formula: Formula) -> Result<usize> {
        let circuit = self.builder.circuit();
        let count = self.first_parameter(formula).values.len();
        for id in formula.parameters() {
            let Parameter { name, values, .. } = circuit.parameters.get(id);
            if values.len() != count {
                let what = format!("`{name}`");
                let expected = format!("the formula's first parameter has {count}");
                let problem = TextProblem::Count { what, found: values.len(), expected };
                return Err(self.cursor.error(offset, problem));
            }
        }
        Ok(count)
    }

    fn first_parameter(&self, formula: Formula) -> &Parameter {
        // Every formula has a parameter.
        let first = formula.parameters().first().copied().unwrap_or(ParameterId(0));
        self.builder.circuit().parameters.get(first)
    }

    fn bounds(&self, attribute: &Attribute<'a>) -> Result<(f64, f64)> {
        match &attribute.value {
            Value::List(List { values, .. }) if values.len() == 2 && values[0] <= values[1] => {
                Ok((values[0], values[1]))
            }
            _ => Err(wrong_value(&self.cursor, attribute, "[minimum maximum], in this order")),
        }
    }
}
