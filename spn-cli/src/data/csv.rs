//! Tables of text, comma separated: `.csv` and `.data` files.
//!
//! In: a stream of text. Out: its numbers, with NaN where a cell is empty, `NaN` or `?`. The first line
//! is a header, and left out, if it has a cell that is neither a number nor missing. Blank lines are
//! passed over, except within a table of one column, where they could be meant as missing values.
//!
//! A record is one line: numbers need no line breaks in quotes. That keeps the line numbers of the
//! messages exact, which the crate `csv` does not do around blank lines.

use std::io::BufRead;
use std::ops::Range;

use super::array::{Block, Number, out_of_range};
use super::error::{Fault, Place, Problem, excerpt};

/// Whether a file that begins so can be text.
pub(super) fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && !head.contains(&0)
}

/// Reads a table, or a range of its rows.
pub(super) fn read<T: Number>(
    source: &mut dyn BufRead,
    rows: Option<&Range<usize>>,
) -> Result<Block<T>, Fault> {
    let mut lines = Lines { source, text: Vec::new(), number: 0, blank: None };
    let mut values = Vec::new();
    let (mut row, mut columns) = (0, 0);
    while rows.is_none_or(|rows| row < rows.end) && lines.advance()? {
        let cells = lines.cells().count();
        if columns == 0 {
            columns = cells;
            if lines.cells().any(|cell| number(cell).is_none()) {
                lines.blank = None;
                continue;
            }
        } else if cells != columns {
            let ragged = Problem::Ragged { expected: columns, found: cells };
            return Err(ragged.at(Place::Line(lines.number)));
        } else if let (1, Some(blank)) = (columns, lines.blank) {
            return Err(Problem::BlankLine.at(Place::Line(blank)));
        }
        lines.blank = None;
        if rows.is_none_or(|rows| row >= rows.start) {
            push_cells(&lines, cells, &mut values)?;
        }
        row += 1;
    }
    if columns == 0 {
        return Err(Problem::Empty.into());
    }
    if let Some(rows) = rows {
        if row < rows.end {
            return Err(out_of_range(rows, row).into());
        }
        row = rows.len();
    }
    Ok(Block { shape: vec![row, columns], values })
}

/// The lines that are not blank.
struct Lines<'a> {
    source: &'a mut dyn BufRead,
    text: Vec<u8>,
    number: u64,
    /// The last blank line that was passed over.
    blank: Option<u64>,
}

impl Lines<'_> {
    /// Goes to the next line; false if there is none.
    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            self.text.clear();
            if self.source.read_until(b'\n', &mut self.text)? == 0 {
                return Ok(false);
            }
            self.number += 1;
            // Editors of some systems mark UTF-8 with these bytes.
            if self.number == 1 && self.text.starts_with(b"\xef\xbb\xbf") {
                self.text.drain(..3);
            }
            if !self.text.trim_ascii().is_empty() {
                return Ok(true);
            }
            self.blank = Some(self.number);
        }
    }

    /// The cells, without white space and quotes around them. A comma within quotes does not separate.
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let mut quoted = false;
        let separates = move |&byte: &u8| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        };
        self.text.split(separates).map(|cell| match cell.trim_ascii() {
            [b'"', inner @ .., b'"'] => inner.trim_ascii(),
            cell => cell,
        })
    }
}

/// Appends the numbers of a line.
fn push_cells<T: Number>(
    lines: &Lines<'_>,
    cells: usize,
    values: &mut Vec<T>,
) -> Result<(), Fault> {
    let line = lines.number;
    values.try_reserve(cells).map_err(|_| {
        Problem::TooLarge("needs more memory than there is".to_owned()).at(Place::Line(line))
    })?;
    for (column, cell) in lines.cells().enumerate() {
        let value = number(cell).ok_or_else(|| {
            Problem::Cell(excerpt(cell)).at(Place::Cell { line, column: column + 1 })
        })?;
        values.push(T::from_f64(value));
    }
    Ok(())
}

/// The value of a cell; NaN if it is missing, nothing if it is no number.
fn number(cell: &[u8]) -> Option<f64> {
    match cell {
        b"" | b"?" => Some(f64::NAN),
        text => str::from_utf8(text).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mutate;

    fn table(text: &str, rows: Option<&Range<usize>>) -> Result<(Vec<usize>, Vec<f64>), String> {
        read::<f64>(&mut text.as_bytes(), rows)
            .map(|block| (block.shape, block.values))
            .map_err(|fault| fault.in_file("a.csv").to_string())
    }

    #[test]
    fn numbers_are_read_with_and_without_header() {
        let expected = (vec![2, 2], vec![1.0, -2.5, 3e2, 4.0]);
        for text in [
            "1,-2.5\n3e2,4\n",
            "a,b\n1,-2.5\n3e2,4",
            "\u{feff}1,-2.5\r\n3e2,4\r\n",
            "\"x, y\",z\n\n 1 ,\t-2.5\n\n\"3e2\",4\n\n",
        ] {
            assert_eq!(table(text, None).unwrap(), expected, "{text:?}");
        }
        assert_eq!(table("a,b\n", None).unwrap(), (vec![0, 2], vec![]));
    }

    #[test]
    fn missing_cells_are_nan_and_no_header() {
        let (shape, values) = table("?,NaN,nan\n ,\"\",1\n", None).unwrap();
        assert_eq!(shape, [2, 3]);
        let missing: Vec<bool> = values.iter().map(|value| value.is_nan()).collect();
        assert_eq!(missing, [true, true, true, true, true, false]);
    }

    #[test]
    fn rows_are_a_range() {
        let text = "a\n0\n1\n2\n3\n";
        assert_eq!(table(text, Some(&(1..3))).unwrap(), (vec![2, 1], vec![1.0, 2.0]));
        assert_eq!(table("0\n1\nbad\n", Some(&(0..2))).unwrap().1, [0.0, 1.0]);
        let error = table(text, Some(&(2..5))).unwrap_err();
        assert!(error.contains("has 4 rows, so rows 2..5 cannot"), "{error}");
    }

    #[test]
    fn problems_say_what_and_where() {
        let cases = [
            ("1,2\n3,x\n", "a.csv, line 2, column 2: `x` is not a number"),
            ("a,b\n\n1,2,3\n", "a.csv, line 3: has 3 cells where the first line has 2"),
            ("1,2\n3\n", "a.csv, line 2: has 1 cells"),
            ("1\r\n2\r\n\r\n3\n", "a.csv, line 3: is blank; write ?"),
            ("a\n2\n\n\n3\n", "a.csv, line 4: is blank; write ?"),
            ("1,2\n3,\"4\n", "a.csv, line 2, column 2: `\\\"4` is not a number"),
            ("\n\n", "a.csv: is empty"),
        ];
        for (text, expected) in cases {
            let error = table(text, None).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        mutate::each(b"a,\"b\",c\r\n1,2,3\n-4.5e1,NaN,?\n,\"7\",8\n", |mut bytes| {
            let _ = read::<f32>(&mut bytes, Some(&(1..3)));
            let _ = read::<f64>(&mut bytes, None);
        });
    }
}
