//! One axis of a row-major tensor, for operations on the slices along it.

/// The lengths of a tensor before, along and after one of its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Product of the lengths of the axes before.
    pub(crate) outer: usize,
    /// The axis' length.
    pub(crate) length: usize,
    /// Product of the lengths of the axes after: the distance of neighbours in a slice.
    pub(crate) inner: usize,
}

impl Axis {
    /// Axis `axis` of `shape`, a negative one counted from the end; `None` outside the shape.
    pub(crate) fn of(shape: &[usize], axis: i32) -> Option<Self> {
        let from_start = usize::try_from(axis).ok();
        let position =
            from_start.or_else(|| shape.len().checked_sub(axis.unsigned_abs() as usize))?;
        let length = *shape.get(position)?;
        let outer = shape[..position].iter().product();
        let inner = shape[position + 1..].iter().product();
        Some(Self { outer, length, inner })
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn axes_count_from_both_ends() {
        let shape = [2, 3, 5, 7];
        let second = Some(Axis { outer: 2, length: 3, inner: 35 });
        assert_eq!(Axis::of(&shape, 1), second);
        assert_eq!(Axis::of(&shape, -3), second);
        assert_eq!(Axis::of(&shape, -1), Some(Axis { outer: 30, length: 7, inner: 1 }));
        assert_eq!(Axis::of(&shape, 4), None);
        assert_eq!(Axis::of(&shape, -5), None);
        assert_eq!(Axis::of(&[], i32::MIN), None);
    }
}
