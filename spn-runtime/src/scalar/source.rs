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
    /// The value as a state of at most 256, and whether it is one exactly.
    fn code(self) -> (u8, bool);
    /// The value as a number; NaN is missing.
    fn number<E: Element>(self) -> E;
}

macro_rules! cell {
    ($real:ident, $large:literal) => {
        impl Cell for $real {
            #[inline(always)]
            fn code(self) -> (u8, bool) {
                // Where the last bit counts ones, a state stands in the lowest bits.
                let shifted = self + $large;
                let exact = shifted - $large == self && self >= 0.0 && self < 256.0;
                (shifted.to_bits() as u8, exact)
            }
            #[inline(always)]
            fn number<E: Element>(self) -> E {
                E::from_f64(f64::from(self))
            }
        }
    };
}

cell!(f32, 8_388_608.0);
cell!(f64, 4_503_599_627_370_496.0);

impl Cell for u8 {
    #[inline(always)]
    fn code(self) -> (u8, bool) {
        (self, self != StateRows::MISSING)
    }
    #[inline(always)]
    fn number<E: Element>(self) -> E {
        if self == StateRows::MISSING { E::NAN } else { E::from_f64(f64::from(self)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_recognised_exactly() {
        for state in 0..=255_u8 {
            assert_eq!(f32::from(state).code(), (state, true));
            assert_eq!(f64::from(state).code(), (state, true));
        }
        for other in [-1.0, 0.5, 1e-9, 256.0, 1e30, -1e30, f32::NAN, f32::INFINITY] {
            assert!(!other.code().1, "{other}");
            assert!(!f64::from(other).code().1, "{other}");
        }
        assert!(!255_u8.code().1 && 255_u8.number::<f32>().is_nan());
        assert_eq!(7_u8.number::<f64>(), 7.0);
    }
}
