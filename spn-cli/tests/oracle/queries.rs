//! Questions with evidence: marginals, posteriors of leaf components, completions.
//!
//! Evidence broadcasts over what a leaf's cell computes, so it hides whole cells. As in the
//! reference, sample-wise normalisation takes its statistics from the whole row.

use std::sync::Arc;

use serde_json::Value;
use spn_cli::data::NpyArray;
use spn_ir::plan::Plan;
use spn_ir::{Circuit, LeafFamily, Normalisation};
use spn_runtime::{
    CompletionOptions, CompletionRule, Executable, FlowOptions, GradientOptions, Number, Rows,
    Statistics,
};

use crate::case::{Case, text_of};
use crate::compare::Kind;
use crate::differences::Terms;
use crate::machine::{Machine, narrow, widen};
use crate::network::{compare_gradient, leaf_layer, leaf_of};
use crate::setup::Prepared;

/// The rules of completion with the reference's names.
const RULES: [(CompletionRule, &str); 2] =
    [(CompletionRule::WeightedMode, "wsum"), (CompletionRule::MostProbable, "argmax")];

/// The questions about one network.
pub(crate) struct Queries<'a> {
    case: &'a Case,
    prepared: &'a Prepared,
    /// Keeps the leaves' values.
    plan: Arc<Plan>,
    /// `[rows, columns, components]` of the leaf layer, and variables per cell.
    shape: Vec<usize>,
    dimensions: usize,
    /// The variables that the leaves read, cell by cell.
    read: Vec<usize>,
    /// The first component's mode of each of them.
    first_modes: Vec<f64>,
    /// Which values of the input are observed.
    mask: Option<Vec<bool>>,
}

impl<'a> Queries<'a> {
    pub(crate) fn new(case: &'a Case, prepared: &'a Prepared) -> Result<Self, String> {
        let (layer, leaves) = leaf_layer(prepared)?;
        let shape = prepared.lowered.layers[layer].shape.clone();
        let plan = prepared.with_outputs(leaves.clone())?;
        let (mut read, mut first_modes, mut dimensions) = (Vec::new(), Vec::new(), 0);
        for node in leaves {
            let leaf = leaf_of(prepared, node)?;
            dimensions = leaf.variables.len();
            read.extend(leaf.variables.iter().map(|variable| variable.index()));
            first_modes.extend(first_mode(&prepared.lowered.circuit, &leaf.family, dimensions));
        }
        let mut queries =
            Self { case, prepared, plan, shape, dimensions, read, first_modes, mask: None };
        if case.has("evidence") {
            queries.mask = Some(queries.mask(case.input("evidence")?)?);
        }
        Ok(queries)
    }

    /// The observed flag of every variable of every row.
    fn mask(&self, evidence: &NpyArray) -> Result<Vec<bool>, String> {
        let columns = self.prepared.lowered.circuit.variables as usize;
        let (flags, shape) = self.flags(evidence)?;
        let bad = || format!("evidence of shape {shape:?} for a leaf layer {:?}", self.shape);
        let &[rows, ref cells @ .., 1] = shape.as_slice() else { return Err(bad()) };
        let &[first, second] = cells else { return Err(bad()) };
        let fits = |found: usize, expected: usize| found == 1 || found == expected;
        if !fits(first, self.shape[0]) || !fits(second, self.shape[1]) {
            return Err(bad());
        }
        let mut mask: Vec<Option<bool>> = vec![None; rows * columns];
        for row in 0..rows {
            for (position, &variable) in self.read.iter().enumerate() {
                let cell = position / self.dimensions;
                let at = |index: usize, length: usize| if length == 1 { 0 } else { index };
                let (a, b) = (at(cell / self.shape[1], first), at(cell % self.shape[1], second));
                let flag = flags[(row * first + a) * second + b];
                let known = &mut mask[row * columns + variable];
                if known.is_some_and(|known| known != flag) {
                    return Err("evidence differs between leaves of one variable".to_owned());
                }
                *known = Some(flag);
            }
        }
        // A variable that nothing reads may be either.
        Ok(mask.into_iter().map(|flag| flag.unwrap_or(true)).collect())
    }

    /// Flags and shape of the evidence, which may be packed.
    fn flags(&self, evidence: &NpyArray) -> Result<(Vec<bool>, Vec<usize>), String> {
        let packed = self.case.json.get("evidence").and_then(Value::as_str);
        if !packed.is_some_and(|how| how.starts_with("np.packbits of the flattened")) {
            return Ok((
                evidence.values.iter().map(|&flag| flag != 0.0).collect(),
                evidence.shape.clone(),
            ));
        }
        let bits =
            evidence.values.iter().flat_map(|&byte| (0..8).rev().map(move |bit| (byte, bit)));
        let mut flags: Vec<bool> = bits.map(|(byte, bit)| byte as u8 >> bit & 1 == 1).collect();
        let cells = self.shape[0] * self.shape[1];
        let rows = flags.len() / cells;
        flags.truncate(rows * cells);
        Ok((flags, vec![rows, self.shape[0], self.shape[1], 1]))
    }

    /// Compares everything.
    pub(crate) fn compare<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
    ) -> Result<(), String> {
        if let Some(mask) = &self.mask {
            let rows = rows.with_mask(mask).map_err(text_of)?;
            self.masked(machine, rows)?;
            self.completions(machine, rows, "completion")?;
        }
        let columns = rows.columns();
        let zero = RULES.iter().find_map(|(_, name)| {
            self.case.expected(&format!("zero_evidence/{name}"))?.shape.first().copied()
        });
        let Some(count) = zero else { return Ok(()) };
        let (values, hidden) =
            (narrow::<E>(&vec![0.0; count * columns]), vec![false; count * columns]);
        let rows = Rows::new(&values, columns).and_then(|rows| rows.with_mask(&hidden));
        self.completions(machine, rows.map_err(text_of)?, "zero_evidence")
    }

    /// Marginals, posteriors and gradients given the evidence.
    fn masked<E: Number>(&self, machine: &Machine, rows: Rows<'_, E>) -> Result<(), String> {
        let (case, place) = (self.case, machine.name.as_str());
        let statistics = Statistics::WholeRow;
        let executable = machine.prepare::<E>(&self.prepared.plan)?;
        let mut found = narrow::<E>(&vec![0.0; rows.len()]);
        executable.log_likelihood_into(rows, statistics, &mut found).map_err(text_of)?;
        case.compare("masked/log_prob", Kind::LogProbability, place, &widen(&found));
        let with_leaves = machine.prepare::<E>(&self.plan)?;
        let flows = FlowOptions { statistics, ..FlowOptions::default() };
        let flows = with_leaves.output_flows(rows, flows).map_err(text_of)?;
        let shape = [&[rows.len()], self.shape.as_slice()].concat();
        let flows = (shape.as_slice(), &*widen(&flows));
        case.compare_shaped("masked/leaf_posterior", Kind::Signal, place, flows);
        let options = GradientOptions { statistics, ..GradientOptions::default() };
        let gradient = executable.gradient(rows, &options).map_err(text_of)?;
        let kinds = Terms::new(self.prepared)?.kinds(machine, rows, &options)?;
        let parameters = (&self.prepared.model.parameters, kinds.as_slice());
        compare_gradient(case, "masked/grad_log", machine, parameters, &gradient);
        Ok(())
    }

    /// Completions by both rules.
    fn completions<E: Number>(
        &self,
        machine: &Machine,
        rows: Rows<'_, E>,
        group: &str,
    ) -> Result<(), String> {
        let with_leaves = machine.prepare::<E>(&self.plan)?;
        let executable = machine.prepare::<E>(&self.prepared.plan)?;
        let shape = [rows.len(), self.shape[0], self.shape[1], self.dimensions];
        for (rule, name) in RULES {
            let options = CompletionOptions { rule, statistics: Statistics::WholeRow };
            let leaves = with_leaves.complete_leaves(rows, options).map_err(text_of)?;
            let mut answers = vec![widen(&leaves)];
            if let Some(whole) = self.merged(&executable, rows, options)? {
                answers.push(whole);
            }
            for mut values in answers {
                self.fill_unreached(rule, rows, &mut values);
                let key = format!("{group}/{name}");
                let values = (shape.as_slice(), values.as_slice());
                self.case.compare_shaped(&key, Kind::Signal, &machine.name, values);
            }
        }
        Ok(())
    }

    /// What the runtime completes rows to, in the order of the leaves; only where every variable
    /// has one leaf is this what the reference means.
    fn merged<E: Number>(
        &self,
        executable: &Executable<E>,
        rows: Rows<'_, E>,
        options: CompletionOptions,
    ) -> Result<Option<Vec<f64>>, String> {
        let mut variables = self.read.clone();
        variables.sort_unstable();
        variables.dedup();
        if variables.len() != self.read.len() {
            return Ok(None);
        }
        let values = widen(&executable.complete(rows, options).map_err(text_of)?.values);
        let rows = values.chunks_exact(rows.columns());
        Ok(Some(rows.flat_map(|row| self.read.iter().map(|&v| row[v])).collect()))
    }

    /// Where the network does not depend on a leaf, the runtime leaves the value missing. The
    /// reference writes what its formulas give for posteriors that are all 0: 0 as the weighted
    /// mode, the first component's mode as the most probable one, in normalised units.
    fn fill_unreached<E: Number>(
        &self,
        rule: CompletionRule,
        rows: Rows<'_, E>,
        values: &mut [f64],
    ) {
        for (index, row) in values.chunks_exact_mut(self.read.len()).enumerate() {
            let given = widen(rows.row(index));
            for (position, value) in row.iter_mut().enumerate().filter(|(_, v)| v.is_nan()) {
                let score = match rule {
                    CompletionRule::WeightedMode => 0.0,
                    CompletionRule::MostProbable => self.first_modes[position],
                };
                *value = self.in_input_units(score, self.read[position], &given);
            }
        }
    }

    /// Undoes the normalisation of one value.
    fn in_input_units(&self, score: f64, variable: usize, row: &[f64]) -> f64 {
        match &self.prepared.lowered.circuit.normalisation {
            None => score,
            Some(Normalisation::SampleWise { epsilon }) => {
                let count = row.len() as f64;
                let mean = row.iter().sum::<f64>() / count;
                let squares: f64 = row.iter().map(|value| (value - mean).powi(2)).sum();
                score * ((squares / count).sqrt() + epsilon) + mean
            }
            Some(Normalisation::Fixed { mean, deviation, epsilon }) => {
                score * (deviation[variable] + epsilon) + mean[variable]
            }
        }
    }
}

/// The mode of a leaf's first component, for each of its variables.
fn first_mode(circuit: &Circuit, family: &LeafFamily, dimensions: usize) -> Vec<f64> {
    match family {
        LeafFamily::LocationScale { location, .. } => {
            let values =
                circuit.quantities[location.quantity.index()].evaluate(&circuit.parameters);
            values[location.offset as usize..][..dimensions].to_vec()
        }
        _ => vec![0.0; dimensions],
    }
}
