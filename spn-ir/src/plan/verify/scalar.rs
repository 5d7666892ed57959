//! Verifying a plan's scalar program: it may compute nonsense, but inside its arrays.

use super::{Place, PlanError, Verifier};
use crate::plan::{ScalarProgram, ScalarTerm, StateTable, StateVariable, TableNode};

#[cfg(test)]
pub(super) mod tests;

const PLACE: Place = Place::Scalar;

impl Verifier<'_> {
    /// Everything that the scalar program names exists.
    pub(super) fn scalar(&self) -> Result<(), PlanError> {
        for program in [&self.plan.scalar, &self.plan.scalar_row].into_iter().flatten() {
            self.scalar_program(program)?;
        }
        Ok(())
    }

    fn scalar_program(&self, program: &ScalarProgram) -> Result<(), PlanError> {
        let variables = self.plan.variables as usize;
        for state in &program.states {
            PLACE.exists("variable", state.variable.0, variables)?;
            if !(1..=StateVariable::MOST).contains(&state.states) {
                return Err(PLACE.wrong("a variable has no states or too many"));
            }
        }
        for variable in &program.values {
            PLACE.exists("variable", variable.0, variables)?;
        }
        for table in &program.tables {
            self.state_table(program, table)?;
        }
        self.scalar_operations(program)
    }

    fn scalar_operations(&self, program: &ScalarProgram) -> Result<(), PlanError> {
        if program.operations.is_empty() || program.registers as usize > program.operations.len() {
            return Err(PLACE.wrong("it has no operations, or more registers than operations"));
        }
        let mut written = vec![false; program.registers as usize];
        for operation in &program.operations {
            for term in &operation.terms {
                self.scalar_term(program, term, &written)?;
            }
            PLACE.exists("register", operation.output, written.len())?;
            written[operation.output as usize] = true;
        }
        Ok(())
    }

    fn state_table(&self, program: &ScalarProgram, table: &StateTable) -> Result<(), PlanError> {
        let mut bits = 0;
        for &variable in &table.variables {
            PLACE.exists("state variable", variable, program.states.len())?;
            bits += program.states[variable as usize].bits();
        }
        if bits > StateTable::ROW_BITS && table.variables.len() > 1 {
            return Err(PLACE.wrong("a table over several variables has too many states"));
        }
        let mut depth = 0_u32;
        for node in &table.expression {
            let taken = self.table_node(program, table, node)?;
            let Some(left) = depth.checked_sub(taken) else {
                return Err(PLACE.wrong("a table's node has more children than there are values"));
            };
            depth = left + 1;
        }
        if depth == 1 { Ok(()) } else { Err(PLACE.wrong("a table has no single value")) }
    }

    /// How many values a table's node takes from the stack.
    fn table_node(
        &self,
        program: &ScalarProgram,
        table: &StateTable,
        node: &TableNode,
    ) -> Result<u32, PlanError> {
        match *node {
            TableNode::Leaf { variable, states, probabilities } => {
                let count = table.variables.len();
                PLACE.exists("variable of a table", variable.into(), count)?;
                let known = program.states[table.variables[variable as usize] as usize].states;
                if states > known {
                    return Err(PLACE.wrong("a leaf has more states than its variable"));
                }
                match probabilities {
                    Some(slice) => self.slice(PLACE, slice, Some(states.into())).map(|()| 0),
                    None => Ok(0),
                }
            }
            TableNode::Product(count) => Ok(count),
            TableNode::Sum { count, weights } => {
                self.slice(PLACE, weights, Some(count.into())).map(|()| count)
            }
        }
    }

    fn scalar_term(
        &self,
        program: &ScalarProgram,
        term: &ScalarTerm,
        written: &[bool],
    ) -> Result<(), PlanError> {
        if let Some(slice) = term.weight {
            self.slice(PLACE, slice, Some(1))?;
        }
        for &table in &term.tables {
            PLACE.exists("table", table, program.tables.len())?;
        }
        for &register in &term.registers {
            PLACE.exists("register", register, written.len())?;
            if !written[register as usize] {
                return Err(PLACE.wrong("it reads a register before anything is in it"));
            }
        }
        for leaf in &term.densities {
            PLACE.exists("value", leaf.value, program.values.len())?;
            self.slice(PLACE, leaf.location, Some(1))?;
            self.slice(PLACE, leaf.scale, Some(1))?;
        }
        Ok(())
    }
}
