//! Numbers and tables as people read them, and as JSON can hold them.

use serde_json::{Value, json};

/// `1,201,930`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number for JSON, which knows no infinities: those become `null`.
pub(crate) fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

/// `12 ms`, `3.4 s`, `2 min 5 s`
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

/// A rate such as `21,000`, without digits that mean nothing.
pub(crate) fn rate(count: usize, seconds: f64) -> String {
    thousands(per_second(count, seconds).round() as u64)
}

/// How many in a second; 0 if there were none.
pub(crate) fn per_second(count: usize, seconds: f64) -> f64 {
    if count == 0 { 0.0 } else { count as f64 / seconds.max(1e-9) }
}

/// A table of text: the first columns aligned left, from `right` on aligned right.
pub(crate) fn table(rows: &[Vec<String>], right: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column >= right {
                line.push_str(&format!("  {cell:>width$}"));
            } else {
                line.push_str(&format!("  {cell:<width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Facts, one on each line, with their values aligned.
pub(crate) fn facts(facts: Vec<(&str, String)>) -> String {
    let rows = facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    table(&rows.collect::<Vec<_>>(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_201_930), "1,201,930");
        assert_eq!(duration(0.0123), "12 ms");
        assert_eq!(duration(3.44), "3.4 s");
        assert_eq!(duration(125.0), "2 min 5 s");
        assert_eq!(number(f64::NEG_INFINITY), Value::Null);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["bcd".to_owned(), "5".to_owned()]];
        assert_eq!(table(&rows, 1), "  a    10\n  bcd   5\n");
    }
}
