//! Reading `spn-circuit-v1`: the head, parameters, quantities and tables.

use std::collections::BTreeSet;

use crate::formats::error::{ImportError, ImportProblem, shortened};
use crate::formats::json::{self, Document, Object, Value};
use crate::text::MAXIMUM_VARIABLES;
use crate::{
    Circuit, CircuitBuilder, Constraint, Formula, NodeId, Normalisation, Parameter, ParameterId,
    Parameters, PickTable, Quantity,
};

use super::NAME;

pub(super) type Result<T> = std::result::Result<T, ImportError>;

const KEYS: &[&str] = &[
    "format",
    "variables",
    "normalisation",
    "layers",
    "parameters",
    "quantities",
    "tables",
    "nodes",
    "root",
];

/// Reads a circuit, with the parameters that were kept elsewhere.
pub(super) fn read(text: &str, parameters: Option<Parameters>) -> Result<Circuit> {
    let tree = json::parse(text)?;
    let document = Document { text };
    let file = document.object(&tree, "the file")?;
    file.only(KEYS)?;
    if file.string("format")? != NAME {
        return Err(document.expected(file.get("format")?, "`format`", &format!("\"{NAME}\"")));
    }
    let limit = u64::from(MAXIMUM_VARIABLES);
    let variables = document.whole(file.get("variables")?, "`variables`", limit)? as u32;
    let mut reader = Reader { document, builder: CircuitBuilder::new(variables) };
    reader.normalisation(&file)?;
    reader.layers(&file)?;
    match parameters {
        None => reader.parameters(&file)?,
        Some(parameters) => {
            for (_, parameter) in parameters.iter() {
                reader.builder.parameter(parameter.clone());
            }
            reader.no_parameters(&file)?;
        }
    }
    for (index, value) in reader.list(&file, "quantities")?.iter().enumerate() {
        let quantity = reader.quantity(index, value)?;
        reader.builder.quantity(quantity);
    }
    for (index, value) in reader.list(&file, "tables")?.iter().enumerate() {
        let table = reader.table(index, value)?;
        reader.builder.table(table);
    }
    let nodes = file.get("nodes")?;
    for (index, value) in document.list(nodes, "`nodes`")?.iter().enumerate() {
        reader.node(index, value)?;
    }
    let root = file.get("root")?;
    let id = NodeId(document.whole(root, "`root`", u64::from(u32::MAX))? as u32);
    reader.builder.finish(id).map_err(|error| document.error(root, error))
}

/// A file half read.
pub(super) struct Reader<'a> {
    pub(super) document: Document<'a>,
    pub(super) builder: CircuitBuilder,
}

impl<'a> Reader<'a> {
    /// A list that may be left out.
    fn list<'v>(&self, file: &Object<'v, 'a>, key: &'static str) -> Result<&'v [Value<'a>]> {
        match file.find(key) {
            None => Ok(&[]),
            Some(value) => self.document.list(value, &format!("`{key}`")),
        }
    }

    fn normalisation(&mut self, file: &Object<'_, 'a>) -> Result<()> {
        let Some(value) = file.find("normalisation") else { return Ok(()) };
        let object = self.document.object(value, "`normalisation`")?;
        let epsilon = object.number("epsilon", true)?;
        let normalisation = match object.string("kind")? {
            "sample-wise" => {
                object.only(&["kind", "epsilon"])?;
                Normalisation::SampleWise { epsilon }
            }
            "fixed" => {
                object.only(&["kind", "mean", "deviation", "epsilon"])?;
                let mean = self.for_variables(&object, "mean")?;
                let deviation = self.for_variables(&object, "deviation")?;
                Normalisation::Fixed { mean, deviation, epsilon }
            }
            _ => {
                let expected = "\"sample-wise\" or \"fixed\"";
                return Err(self.document.expected(object.get("kind")?, "`kind`", expected));
            }
        };
        self.builder.set_normalisation(Some(normalisation));
        Ok(())
    }

    /// One number for each variable.
    fn for_variables(&self, object: &Object<'_, 'a>, key: &'static str) -> Result<Vec<f64>> {
        let values = object.numbers(key, true)?;
        let count = self.builder.circuit().variables as usize;
        if values.len() != count {
            let expected = format!("there are {count} variables");
            let problem = count_problem(object.member(key), values.len(), expected);
            return Err(self.document.error(object.get(key)?, problem));
        }
        Ok(values)
    }

    fn layers(&mut self, file: &Object<'_, 'a>) -> Result<()> {
        let name = |value| self.document.string(value, "the name of a layer").map(str::to_owned);
        let layers = self.list(file, "layers")?.iter().map(name).collect::<Result<_>>()?;
        self.builder.set_layers(layers);
        Ok(())
    }

    /// Refuses parameters in the text where they come from elsewhere.
    fn no_parameters(&self, file: &Object<'_, 'a>) -> Result<()> {
        match file.find("parameters") {
            None => Ok(()),
            Some(value) => Err(self.document.expected(value, "`parameters`", "left out here")),
        }
    }

    fn parameters(&mut self, file: &Object<'_, 'a>) -> Result<()> {
        let mut names = BTreeSet::new();
        for (index, value) in self.list(file, "parameters")?.iter().enumerate() {
            let parameter = self.parameter(index, value)?;
            if !names.insert(parameter.name.clone()) {
                let (what, name) = ("parameter", shortened(&parameter.name));
                return Err(self.document.error(value, ImportProblem::Duplicate { what, name }));
            }
            self.builder.parameter(parameter);
        }
        Ok(())
    }

    fn parameter(&self, index: usize, value: &Value<'a>) -> Result<Parameter> {
        let object = self.document.object(value, format!("parameter {index}"))?;
        object.only(&["name", "shape", "trainable", "constraint", "values"])?;
        let name = object.string("name")?.to_owned();
        let values = object.numbers("values", true)?;
        let shape = self.shape(&object, values.len())?;
        let constraint = match object.find("constraint") {
            None => None,
            Some(value) => Some(self.constraint(value, &shape)?),
        };
        let trainable = object.flag("trainable", true)?;
        Ok(Parameter { name, shape, values, trainable, constraint })
    }

    /// The lengths of a tensor's axes, which must hold `found` values.
    fn shape(&self, object: &Object<'_, 'a>, found: usize) -> Result<Vec<usize>> {
        let value = object.get("shape")?;
        let shape: Vec<usize> = object.indices("shape")?.iter().map(|n| *n as usize).collect();
        if shape.contains(&0) {
            return Err(self.document.expected(value, "the length of an axis", "at least 1"));
        }
        let size = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
        if size != Some(found) {
            let size = size.map_or("too many".to_owned(), |size| size.to_string());
            let expected = format!("the shape {shape:?} has {size}");
            let problem = count_problem("the values".to_owned(), found, expected);
            return Err(self.document.error(value, problem));
        }
        Ok(shape)
    }

    fn constraint(&self, value: &Value<'a>, shape: &[usize]) -> Result<Constraint> {
        let object = self.document.object(value, "`constraint`")?;
        let constraint = match object.string("kind")? {
            "clip" => {
                object.only(&["kind", "minimum", "maximum"])?;
                let minimum = object.number("minimum", true)?;
                Constraint::Clip { minimum, maximum: object.number("maximum", true)? }
            }
            "greater-equal" => {
                object.only(&["kind", "epsilon"])?;
                Constraint::GreaterEqualEpsilon { epsilon: object.number("epsilon", true)? }
            }
            "greater-equal-normalized" => {
                object.only(&["kind", "epsilon", "axis"])?;
                let (epsilon, axis) = (object.number("epsilon", true)?, self.axis(&object)?);
                Constraint::GreaterEqualEpsilonNormalized { epsilon, axis }
            }
            "log-normalized" => {
                object.only(&["kind", "axis"])?;
                Constraint::LogNormalized { axis: self.axis(&object)? }
            }
            _ => {
                let expected = "\"clip\", \"greater-equal\", \"greater-equal-normalized\" or \
                    \"log-normalized\"";
                return Err(self.document.expected(object.get("kind")?, "`kind`", expected));
            }
        };
        if !constraint.fits(shape) {
            let expected = format!("one of the parameter's {} axes", shape.len());
            return Err(self.document.expected(object.get("axis")?, "`axis`", &expected));
        }
        Ok(constraint)
    }

    fn axis(&self, object: &Object<'_, 'a>) -> Result<i32> {
        let axis = object.number("axis", false)?;
        if axis.fract() == 0.0 && axis.abs() < f64::from(i32::MAX) {
            return Ok(axis as i32);
        }
        Err(self.document.expected(object.get("axis")?, "`axis`", "a whole number"))
    }

    fn quantity(&self, index: usize, value: &Value<'a>) -> Result<Quantity> {
        let object = self.document.object(value, format!("quantity {index}"))?;
        object.only(&["shape", "formula", "bounds"])?;
        let (formula, count) = self.formula(object.get("formula")?)?;
        let shape = self.shape(&object, count)?;
        let bounds = match object.find("bounds") {
            None => None,
            Some(value) => match self.document.numbers(value, "`bounds`", true)?.as_slice() {
                &[minimum, maximum] if minimum <= maximum => Some((minimum, maximum)),
                _ => {
                    let expected = "[minimum, maximum], in this order";
                    return Err(self.document.expected(value, "`bounds`", expected));
                }
            },
        };
        Ok(Quantity { shape, formula, bounds })
    }

    /// A formula, and how many values its parameters have.
    fn formula(&self, value: &Value<'a>) -> Result<(Formula, usize)> {
        let object = self.document.object(value, "`formula`")?;
        object.only(&["kind", "of"])?;
        let of: Vec<ParameterId> = object.indices("of")?.into_iter().map(ParameterId).collect();
        let formula = match (object.string("kind")?, of.as_slice()) {
            ("direct", &[p]) => Formula::Direct(p),
            ("exp", &[p]) => Formula::Exp(p),
            ("softmax", &[p]) => Formula::Softmax(p),
            ("normalized", &[p]) => Formula::Normalized(p),
            ("softplus", &[p]) => Formula::Softplus(p),
            ("ratio", &[numerator, denominator]) => Formula::Ratio { numerator, denominator },
            ("moment-scale", &[n1, d1, n2, d2]) => Formula::MomentScale {
                first_numerator: n1,
                first_denominator: d1,
                second_numerator: n2,
                second_denominator: d2,
            },
            _ => {
                let expected = "direct, exp, softmax, normalized or softplus of one parameter, \
                    ratio of two or moment-scale of four";
                return Err(self.document.expected(value, "`formula`", expected));
            }
        };
        let parameters = &self.builder.circuit().parameters;
        if let Some(id) = of.iter().find(|id| id.index() >= parameters.len()) {
            let (what, name) = ("parameter", id.0.to_string());
            let mend = ": parameters go by their position in `parameters`, from 0";
            let problem = ImportProblem::Undefined { what, name, mend };
            return Err(self.document.error(object.get("of")?, problem));
        }
        let counts: Vec<usize> = of.iter().map(|id| parameters.get(*id).values.len()).collect();
        let first = counts.first().copied().unwrap_or(0);
        if let Some(other) = counts.iter().find(|count| **count != first) {
            let expected = format!("the formula's first parameter has {first} values");
            let problem = count_problem("another has".to_owned(), *other, expected);
            return Err(self.document.error(object.get("of")?, problem));
        }
        Ok((formula, first))
    }

    fn table(&self, index: usize, value: &Value<'a>) -> Result<PickTable> {
        let what = format!("table {index}");
        let rows = self.document.list(value, &what)?;
        let picks = rows.iter().map(|row| self.document.indices(row, &what));
        Ok(PickTable { picks: picks.collect::<Result<_>>()? })
    }
}

fn count_problem(what: String, found: usize, expected: String) -> ImportProblem {
    ImportProblem::Count { what, found: found as u64, expected }
}
