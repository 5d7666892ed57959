//! Products of cells: how the factors' units are combined, with padding folded away.
//!
//! In: the cells that are multiplied (some of them padding, some made of several nodes) and which
//! unit of each goes into which unit of the product. Out: the cell of the product.
//!
//! * A padding factor is log 1 everywhere, so it is left out; a product of padding is padding,
//!   and a product of a single factor that changes nothing is the factor itself.
//! * Where every factor is one node, the product is one node: element-wise, outer or by a table.
//! * A factor of several nodes (after `Undecompose`) cannot be one child. The product is then cut
//!   into runs of units that read one node of each factor; its cell is several nodes, too. No
//!   value is computed twice, and no constant parameters are needed to join nodes first.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::{Combine, NodeId, Origin, PickTable, PickTableId};

use super::LayerProblem;
use super::check::CELL;
use super::lowering::{Cell, Lowering};
use super::shape::LIMIT;

/// Which unit of each factor a unit of the product multiplies.
#[derive(Clone, Debug)]
pub(crate) enum Picks {
    /// Unit `k` of every factor.
    ElementWise,
    /// All combinations, the first factor varying slowest.
    FirstSlowest,
    /// All combinations, the first factor varying fastest.
    FirstFastest,
    /// `picks[factor][unit]`.
    Given(Vec<Vec<u32>>),
}

/// The products of one layer: all cells have the same factors' widths.
pub(crate) struct CellProducts {
    picks: Picks,
    /// Units of each factor.
    factors: Vec<u32>,
    /// Units of the product.
    units: u32,
    /// Tables by which factors are real.
    tables: BTreeMap<Vec<bool>, PickTableId>,
}

impl CellProducts {
    /// Products of cells with `factors` units each that have `units` units.
    pub(crate) fn new(picks: Picks, factors: Vec<u32>, units: u32) -> Self {
        Self { picks, factors, units, tables: BTreeMap::new() }
    }

    /// The product of one cell per factor.
    pub(crate) fn product(
        &mut self,
        lowering: &mut Lowering<'_>,
        factors: &[Cell],
        origin: Origin,
    ) -> Result<Cell, LayerProblem> {
        let real: Vec<bool> = factors.iter().map(|factor| !factor.is_padding()).collect();
        let kept: Vec<&Cell> = factors.iter().filter(|factor| !factor.is_padding()).collect();
        match kept.as_slice() {
            [] => return Ok(Cell::padding(self.units)),
            [factor] if self.keeps(&real) => return Ok((*factor).clone()),
            _ => {}
        }
        if kept.iter().any(|factor| factor.nodes.len() > 1) {
            return self.product_of_parts(lowering, &kept, &real, origin);
        }
        let mut children: SmallVec<[NodeId; 4]> =
            kept.iter().flat_map(|factor| factor.nodes.iter().copied()).collect();
        let all_real = kept.len() == factors.len();
        let combine = match self.picks {
            Picks::ElementWise => Combine::ElementWise,
            Picks::FirstSlowest if all_real => Combine::Outer,
            Picks::FirstFastest if all_real => {
                children.reverse();
                Combine::Outer
            }
            _ => Combine::Table(self.table(lowering, &real)),
        };
        let node = lowering.builder.product(&children, combine, origin)?;
        Ok(Cell::of(node, self.units))
    }

    /// Whether a product of the only real factor is that factor, unit for unit.
    fn keeps(&self, real: &[bool]) -> bool {
        let Some(factor) = real.iter().position(|&real| real) else { return false };
        match &self.picks {
            Picks::ElementWise => true,
            _ if self.factors[factor] != self.units => false,
            Picks::FirstSlowest | Picks::FirstFastest => true,
            Picks::Given(picks) => is_identity(&picks[factor]),
        }
    }

    /// The table for these real factors.
    fn table(&mut self, lowering: &mut Lowering<'_>, real: &[bool]) -> PickTableId {
        if let Some(&id) = self.tables.get(real) {
            return id;
        }
        let id = lowering.table(PickTable { picks: self.picks_of(real) });
        self.tables.insert(real.to_vec(), id);
        id
    }

    /// `picks[real factor][unit]`.
    fn picks_of(&self, real: &[bool]) -> Vec<Vec<u32>> {
        let indices = real.iter().enumerate().filter(|(_, real)| **real).map(|(index, _)| index);
        indices.map(|factor| self.picks_of_factor(factor)).collect()
    }

    fn picks_of_factor(&self, factor: usize) -> Vec<u32> {
        let faster = match &self.picks {
            Picks::ElementWise => return (0..self.units).collect(),
            Picks::Given(picks) => return picks[factor].clone(),
            Picks::FirstSlowest => &self.factors[factor + 1..],
            Picks::FirstFastest => &self.factors[..factor],
        };
        let stride: u32 = faster.iter().product();
        (0..self.units).map(|unit| unit / stride.max(1) % self.factors[factor]).collect()
    }

    /// A product with factors of several nodes, cut into runs that read one node of each.
    fn product_of_parts(
        &self,
        lowering: &mut Lowering<'_>,
        factors: &[&Cell],
        real: &[bool],
        origin: Origin,
    ) -> Result<Cell, LayerProblem> {
        let picks = self.picks_of(real);
        let parts: Vec<Vec<(NodeId, u32)>> = factors.iter().map(|f| parts(lowering, f)).collect();
        let at = |unit: usize| -> SmallVec<[(NodeId, u32); 4]> {
            parts.iter().zip(&picks).map(|(parts, picks)| parts[picks[unit] as usize]).collect()
        };
        let mut cell = Cell::padding(self.units);
        let mut begin = 0;
        while begin < self.units as usize {
            let first = at(begin);
            let same = |unit: &usize| at(*unit).iter().zip(&first).all(|(a, b)| a.0 == b.0);
            let length = (begin..self.units as usize).take_while(same).count();
            let children: SmallVec<[NodeId; 4]> = first.iter().map(|part| part.0).collect();
            let table = (0..children.len())
                .map(|child| (begin..begin + length).map(|unit| at(unit)[child].1).collect())
                .collect();
            cell.nodes.push(run(lowering, &children, PickTable { picks: table }, origin)?);
            begin += length;
        }
        Ok(cell)
    }
}

/// For each unit of a cell its node and the unit's index in it.
fn parts(lowering: &Lowering<'_>, cell: &Cell) -> Vec<(NodeId, u32)> {
    let circuit = lowering.builder.circuit();
    let nodes = cell.nodes.iter();
    nodes.flat_map(|&id| (0..circuit.node(id).width).map(move |unit| (id, unit))).collect()
}

/// One run of a product: element-wise if its table allows.
fn run(
    lowering: &mut Lowering<'_>,
    children: &[NodeId],
    table: PickTable,
    origin: Origin,
) -> Result<NodeId, LayerProblem> {
    let circuit = lowering.builder.circuit();
    // Shapes do not tell how many runs there will be, so their memory is bounded here.
    if circuit.nodes.len() > LIMIT / CELL {
        let what = "the products of joined decompositions";
        return Err(LayerProblem::TooLarge { what, limit: LIMIT });
    }
    let whole = children.iter().zip(&table.picks).all(|(&child, picks)| {
        circuit.node(child).width as usize == picks.len() && is_identity(picks)
    });
    let combine = match (whole, children) {
        (true, [child]) => return Ok(*child),
        (true, _) => Combine::ElementWise,
        (false, _) => Combine::Table(lowering.table(table)),
    };
    Ok(lowering.builder.product(children, combine, origin)?)
}

fn is_identity(picks: &[u32]) -> bool {
    picks.iter().enumerate().all(|(unit, &pick)| pick as usize == unit)
}
