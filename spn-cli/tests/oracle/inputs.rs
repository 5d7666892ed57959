//! The values that leaves see: input rows after normalisation.
//!
//! The runtime gives them to nobody, so they are read off a gradient: of `-log p` of a standard
//! normal leaf over all variables with location 0 it is `-x` with respect to the location.

use std::sync::Arc;

use spn_compiler::Options;
use spn_ir::plan::Plan;
use spn_ir::{
    CircuitBuilder, Leaf, LeafFamily, LocationScale, Normalisation, Origin, Parameter, VariableId,
};
use spn_runtime::{CompletionOptions, GradientOptions, Number, Rows, Statistics};

use crate::case::text_of;
use crate::machine::{Machine, narrow, widen};
use crate::setup::compile;

/// A standard normal leaf over all variables, behind a normalisation.
pub(crate) struct Probe {
    plan: Arc<Plan>,
    variables: usize,
}

impl Probe {
    /// The probe of a normalisation; all locations are `location`.
    pub(crate) fn new(
        normalisation: Option<&Normalisation>,
        variables: usize,
        location: f64,
    ) -> Result<Self, String> {
        let mut builder = CircuitBuilder::new(variables as u32);
        builder.set_normalisation(normalisation.cloned());
        let shape = vec![1, variables];
        let location = Parameter::new("location", shape.clone(), vec![location; variables]);
        let scale = Parameter::new("scale", shape, vec![1.0; variables]).frozen();
        let (location, scale) = (builder.quantity_of(location), builder.quantity_of(scale));
        let density = LocationScale::Normal;
        let (location, scale) = (location.at(0), scale.at(0));
        let family = LeafFamily::LocationScale { density, location, scale };
        let variable_ids = (0..variables).map(|variable| VariableId(variable as u32)).collect();
        let leaf = Leaf { family, variables: variable_ids };
        let root = builder.leaf(leaf, 1, Origin::Unknown).map_err(text_of)?;
        let circuit = builder.finish(root).map_err(text_of)?;
        Ok(Self { plan: compile(&circuit, &Options::default())?, variables })
    }

    /// The normalised values of all rows, if the locations are 0.
    pub(crate) fn values<E: Number>(
        &self,
        machine: &Machine,
        rows: &[f64],
    ) -> Result<Vec<f64>, String> {
        let executable = machine.prepare::<E>(&self.plan)?;
        let mut values = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(self.variables) {
            let row = narrow::<E>(row);
            let row = Rows::new(&row, self.variables).map_err(text_of)?;
            let options = GradientOptions::default();
            let gradient = executable.gradient(row, &options).map_err(text_of)?;
            values.extend(widen(&gradient.parameters[0]).into_iter().map(|slope| -slope));
        }
        Ok(values)
    }

    /// What the location stands for in each row's own units, if nothing is observed.
    pub(crate) fn completed<E: Number>(
        &self,
        machine: &Machine,
        rows: &[f64],
    ) -> Result<Vec<f64>, String> {
        let rows = narrow::<E>(rows);
        let hidden = vec![false; rows.len()];
        let rows = Rows::new(&rows, self.variables).map_err(text_of)?;
        let rows = rows.with_mask(&hidden).map_err(text_of)?;
        let statistics = Statistics::WholeRow;
        let options = CompletionOptions { statistics, ..CompletionOptions::default() };
        let completion = machine.prepare::<E>(&self.plan)?.complete(rows, options);
        completion.map(|completion| widen(&completion.values)).map_err(text_of)
    }
}
