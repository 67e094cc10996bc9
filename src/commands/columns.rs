//! Text in columns.
//!
//! Invariant: a column is as wide as its widest cell; no line ends in spaces; a cell is in one line.

use crate::commands::streams::plain;
use std::io::{Result, Write};

/// How the cells of a column stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Prints rows of as many cells as there are columns, the first being the titles.
pub fn print<const N: usize>(
    out: &mut impl Write,
    aligns: [Align; N],
    rows: &[[String; N]],
) -> Result<()> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| plain(&row[column]).chars().count())
            .max()
    };
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in rows {
        let mut line = String::new();
        for ((cell, width), align) in row.iter().zip(widths).zip(aligns) {
            let cell = plain(cell);
            match align {
                Align::Left => line += &format!("{cell:<width$}  "),
                Align::Right => line += &format!("{cell:>width$}  "),
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Prints names and what they stand for, one pair a line.
pub fn print_fields(out: &mut impl Write, fields: &[(&str, String)]) -> Result<()> {
    let rows: Vec<[String; 2]> = fields
        .iter()
        .map(|(name, value)| [name.to_string(), value.clone()])
        .collect();
    print(out, [Align::Left, Align::Left], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let mut out = Vec::new();
        let cells = [
            ["name", "n"],
            ["a", "10"],
            ["", "7"],
            ["é", ""],
            ["\n", "1"],
        ];
        let rows = cells.map(|row| row.map(str::to_string));
        print(&mut out, [Align::Left, Align::Right], &rows).expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "name     n\na       10\n         7\né\n\\u000a   1\n");
    }
}
