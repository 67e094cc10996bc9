//! Text in columns.
//!
//! Invariant: a column is as wide as its widest cell, but for long tables ([`Table`]); no line ends in spaces; a
//! cell is in one line. On a terminal that is too narrow for all columns, those behind go to lines of their own.

use crate::commands::streams::plain;
use console::Term;
use std::io::{IsTerminal, Result, Write, stdout};
use std::ops::Range;

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
    let widths = widest(rows, [0; N]);
    rows.iter()
        .try_for_each(|row| print_row(out, row, widths, aligns))
}

fn widest<const N: usize>(rows: &[[String; N]], least: [usize; N]) -> [usize; N] {
    let width = |row: &[String; N], column: usize| plain(&row[column]).chars().count();
    std::array::from_fn(|column| {
        let widths = rows.iter().map(|row| width(row, column));
        widths.max().unwrap_or(0).max(least[column])
    })
}

/// Prints a row in one line, or, if the terminal is too narrow, in several.
fn print_row<const N: usize>(
    out: &mut impl Write,
    row: &[String; N],
    widths: [usize; N],
    aligns: [Align; N],
) -> Result<()> {
    let indents = std::iter::once("").chain(std::iter::repeat(INDENT));
    for (columns, indent) in lines(widths, columns_of_stdout()).into_iter().zip(indents) {
        let mut line = indent.to_owned();
        for column in columns {
            let (cell, width) = (plain(&row[column]), widths[column]);
            match aligns[column] {
                Align::Left => line += &format!("{cell:<width$}  "),
                Align::Right => line += &format!("{cell:>width$}  "),
            }
        }
        let line = line.trim_end();
        if !line.is_empty() || indent.is_empty() {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// What the second and further lines of a row begin with.
const INDENT: &str = "    ";

/// Which columns stand in a line together where there is so much room.
fn lines<const N: usize>(widths: [usize; N], room: usize) -> Vec<Range<usize>> {
    let (mut lines, mut begin, mut end) = (Vec::new(), 0, 0);
    for (column, width) in widths.into_iter().enumerate() {
        if column > begin && end + width > room {
            lines.push(begin..column);
            (begin, end) = (column, INDENT.len());
        }
        end += width + 2;
    }
    lines.push(begin..N);
    lines
}

/// Columns of the terminal that answers go to; as many as one likes of anything else.
fn columns_of_stdout() -> usize {
    match stdout().is_terminal() {
        true => usize::from(Term::stdout().size().1),
        false => usize::MAX,
    }
}

/// Width of the most bitcoins that there are.
pub const BTC_WIDTH: usize = 17;

/// Rows that a table gathers to see how wide its columns are.
const GATHERED_ROWS_MAX: usize = 1000;

/// A table that is printed as its rows come. A short one is as [`print`] prints it; of a long one, columns are as
/// wide as its first rows need, and as it was told that the others may.
pub struct Table<'o, W: Write, const N: usize> {
    out: &'o mut W,
    aligns: [Align; N],
    /// Of a column in a long table.
    least: [usize; N],
    gathered: Vec<[String; N]>,
    /// `None`: rows are still gathered.
    widths: Option<[usize; N]>,
}

impl<'o, W: Write, const N: usize> Table<'o, W, N> {
    /// With these titles.
    pub fn new(out: &'o mut W, columns: [(&str, Align, usize); N]) -> Table<'o, W, N> {
        Table {
            out,
            aligns: columns.map(|(_, align, _)| align),
            least: columns.map(|(_, _, least)| least),
            gathered: vec![columns.map(|(title, _, _)| title.to_owned())],
            widths: None,
        }
    }

    /// The next row.
    pub fn row(&mut self, row: [String; N]) -> Result<()> {
        if let Some(widths) = self.widths {
            return print_row(self.out, &row, widths, self.aligns);
        }
        self.gathered.push(row);
        match self.gathered.len() > GATHERED_ROWS_MAX {
            true => self.begin(widest(&self.gathered, self.least)),
            false => Ok(()),
        }
    }

    fn begin(&mut self, widths: [usize; N]) -> Result<()> {
        self.widths = Some(widths);
        let gathered = std::mem::take(&mut self.gathered);
        gathered
            .iter()
            .try_for_each(|row| print_row(self.out, row, widths, self.aligns))
    }

    /// No row follows.
    pub fn finish(mut self) -> Result<()> {
        match self.widths {
            Some(_) => Ok(()),
            None => self.begin(widest(&self.gathered, [0; N])),
        }
    }
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

    #[test]
    fn columns_that_a_narrow_terminal_has_no_room_for_go_to_the_next_line() {
        let widths = [3, 10, 64, 6];
        let ends = |room| -> Vec<usize> {
            let lines = lines(widths, room).into_iter();
            lines.map(|columns| columns.end).collect()
        };
        assert_eq!(ends(usize::MAX), [4]);
        assert_eq!(ends(89), [4]);
        assert_eq!(ends(88), [3, 4]);
        assert_eq!(ends(80), [2, 4]);
        assert_eq!(ends(20), [2, 3, 4]);
        assert_eq!(ends(1), [1, 2, 3, 4]);
    }

    fn table(rows: usize) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, [("n", Align::Right, 7), ("word", Align::Left, 0)]);
        for number in 0..rows {
            let row = [number.to_string(), "x".to_owned()];
            table.row(row).expect("a Vec takes everything");
        }
        table.finish().expect("a Vec takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_short_table_is_as_wide_as_its_rows_and_a_long_one_as_was_said() {
        assert_eq!(table(2), "n  word\n0  x\n1  x\n");
        let short = table(GATHERED_ROWS_MAX - 1);
        assert_eq!(short.lines().next(), Some("  n  word"));
        assert_eq!(short.lines().count(), GATHERED_ROWS_MAX);
        let long = table(GATHERED_ROWS_MAX + 1);
        assert_eq!(long.lines().count(), GATHERED_ROWS_MAX + 2);
        assert_eq!(long.lines().next(), Some("      n  word"));
        assert_eq!(long.lines().last(), Some("   1000  x"));
    }
}
