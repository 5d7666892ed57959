//! Compiled plans in containers.
//!
//! The structure is the plan without its parameters; these are the container's.

use std::io::{Result, Write};

use crate::Parameters;
use crate::plan::Plan;

use super::{ContainerError, Kind, Precision, read_container, write_container};

/// Writes a plan.
///
/// # Errors
/// As [`write_container`].
pub fn write_plan(writer: impl Write, precision: Precision, plan: &Plan) -> Result<()> {
    let structure = Plan { parameters: Parameters::default(), ..plan.clone() };
    write_container(writer, Kind::Plan, precision, &structure, &plan.parameters)
}

/// Reads a plan and verifies it, so that running it stays inside its arrays.
///
/// # Errors
/// As [`read_container`], and if the plan contradicts itself ([`Plan::verify`]).
pub fn read_plan(bytes: &[u8]) -> std::result::Result<Plan, ContainerError> {
    let (mut plan, parameters): (Plan, Parameters) = read_container(bytes, Kind::Plan)?;
    plan.parameters = parameters;
    plan.verify()?;
    Ok(plan)
}
