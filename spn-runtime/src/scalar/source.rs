//! Rows of any type, cell by cell: numbers in either precision, or bytes that are states.

use crate::rows::{Rows, StateRows};
use crate::simd::Element;

/// A batch of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// Numbers in single precision.
    Single(Rows<'a, f32>),
    /// Numbers in double precision.
    Double(Rows<'a, f64>),
    /// States.
    States(StateRows<'a>),
}

impl Source<'_> {
    /// Appends a row as numbers, NaN where a value is missing.
    pub(super) fn append<E: Element>(&self, row: usize, out: &mut Vec<E>) {
        match self {
            Self::Single(rows) => append(rows.row(row), rows.mask(row), out),
            Self::Double(rows) => append(rows.row(row), rows.mask(row), out),
            Self::States(rows) => append(rows.row(row), None, out),
        }
    }
}

fn append<C: Cell, E: Element>(row: &[C], mask: Option<&[bool]>, out: &mut Vec<E>) {
    let start = out.len();
    out.extend(row.iter().map(|cell| cell.number::<E>()));
    for (value, observed) in out[start..].iter_mut().zip(mask.unwrap_or_default()) {
        if !observed {
            *value = E::NAN;
        }
    }
}

/// One value of a row.
pub(super) trait Cell: Copy {
    /// Writes the states of some cells, each at most the largest of its variable. Says whether all
    /// of them are states; if not, what is written means nothing.
    fn encode(cells: &[Self], largest: &[u8], codes: &mut [u8]) -> bool;
    /// The value as a number; NaN is missing.
    fn number<E: Element>(self) -> E;
}

macro_rules! cell {
    ($real:ident as $bits:ident, whole $whole:literal) => {
        impl Cell for $real {
            #[inline(always)]
            fn encode(cells: &[Self], largest: &[u8], codes: &mut [u8]) -> bool {
                // Where the last bit counts ones, a state stands in the lowest bits. What is no
                // state sets a bit: it is not the same again afterwards, is below 0, or is above
                // the largest. So that this becomes vector code, there is no branch.
                const SIGN: u32 = $bits::BITS - 1;
                let mut wrong = 0;
                for ((&cell, &largest), code) in cells.iter().zip(largest).zip(codes) {
                    let shifted: $real = cell + $whole;
                    let state = shifted.to_bits().wrapping_sub($real::to_bits($whole));
                    let excess = $bits::from(largest).wrapping_sub(state) | state;
                    wrong |= (shifted - $whole).to_bits() ^ cell.to_bits() | excess >> SIGN;
                    *code = state as u8;
                }
                wrong == 0
            }
            #[inline(always)]
            fn number<E: Element>(self) -> E {
                E::from_f64(f64::from(self))
            }
        }
    };
}

cell!(f32 as u32, whole 8_388_608.0);
cell!(f64 as u64, whole 4_503_599_627_370_496.0);

impl Cell for u8 {
    #[inline(always)]
    fn encode(cells: &[Self], largest: &[u8], codes: &mut [u8]) -> bool {
        let mut wrong = false;
        for ((&cell, &largest), code) in cells.iter().zip(largest).zip(codes) {
            wrong |= cell > largest.min(StateRows::MISSING - 1);
            *code = cell;
        }
        !wrong
    }
    #[inline(always)]
    fn number<E: Element>(self) -> E {
        if self == StateRows::MISSING { E::NAN } else { E::from_f64(f64::from(self)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode<C: Cell>(cell: C, largest: u8) -> Option<u8> {
        let mut code = [0];
        C::encode(&[cell], &[largest], &mut code).then_some(code[0])
    }

    #[test]
    fn states_are_recognised_exactly() {
        for state in 0..=255_u8 {
            assert_eq!(encode(f32::from(state), 255), Some(state));
            assert_eq!(encode(f64::from(state), state), Some(state));
            assert_eq!(encode(state, 255), (state != 255).then_some(state));
            let next = f32::from(state) + 1.0;
            assert_eq!(encode(next, state), None, "{next} of {state}");
            assert_eq!(encode(f64::from(next), state), None, "{next} of {state}");
        }
        for other in [-1.0, 0.5, 1e-9, 256.0, 1e30, -1e30, f32::NAN, -f32::NAN, 9e6, 1.7e7] {
            assert_eq!(encode(other, 255), None, "{other}");
            assert_eq!(encode(f64::from(other), 255), None, "{other}");
        }
        for infinite in [f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(encode(infinite, 255), None);
            assert_eq!(encode(f64::from(infinite), 255), None);
        }
        assert_eq!(encode(3_u8, 2), None);
        assert!(255_u8.number::<f32>().is_nan());
        assert_eq!(7_u8.number::<f64>(), 7.0);
    }
}
