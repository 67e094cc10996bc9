//! A chapter of the manual as a manual page: Markdown becomes roff.
//!
//! Invariant: every word of the chapter is on the page. Tables are for `tbl`, which the first line asks for.

use blkdex::manual::Chapter;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The page.
pub fn page(chapter: &Chapter) -> String {
    let mut page = Page {
        text: format!(
            "'\\\" t\n.TH BLKDEX\\-{} 7 \"\" \"blkdex {}\" \"blkdex manual\"\n.ad l\n.SH NAME\nblkdex\\-{} \\- {}\n",
            chapter.name.to_uppercase(),
            env!("CARGO_PKG_VERSION"),
            chapter.name,
            escaped(chapter.about),
        ),
        is_code: false,
        lists: Vec::new(),
        table: None,
    };
    for event in Parser::new_ext(chapter.text, Options::ENABLE_TABLES) {
        page.add(event);
    }
    page.text
}

/// A cell of so many characters stays in one line.
const CELL_CHARS_MAX: usize = 16;

/// A table that is being read.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
}

struct Page {
    text: String,
    is_code: bool,
    /// Of each list around, the number of its next item, if it has numbers.
    lists: Vec<Option<u64>>,
    table: Option<Table>,
}

impl Page {
    fn add(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.begin(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.is_code => self.code(&text),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.words(&escaped(&text));
            }
            Event::Code(text) => self.words(&format!("\\fB{}\\fR", breakable(&escaped(&text)))),
            Event::SoftBreak if self.table.is_some() => self.words(" "),
            Event::SoftBreak => self.words("\n"),
            Event::HardBreak => self.request(".br"),
            Event::Rule => self.request(".PP"),
            // The chapters have none of what else there is.
            _ => {}
        }
    }

    fn begin(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } if *level <= HeadingLevel::H2 => self.request(".SH"),
            Tag::Heading { .. } => self.request(".SS"),
            Tag::Paragraph if self.lists.is_empty() => self.request(".PP"),
            Tag::CodeBlock(_) => {
                self.request(".PP\n.RS 4\n.nf");
                self.is_code = true;
            }
            Tag::List(first) => {
                if !self.lists.is_empty() {
                    self.request(".RS");
                }
                self.lists.push(*first);
            }
            Tag::Item => self.item(),
            Tag::Table(_) => self.table = Some(Table::default()),
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableCell => {
                if let Some(row) = self.row() {
                    row.push(String::new());
                }
            }
            Tag::Emphasis => self.words("\\fI"),
            Tag::Strong => self.words("\\fB"),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                self.request(".fi\n.RE");
                self.is_code = false;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.request(".RE");
                }
            }
            TagEnd::Table => self.lay_table(),
            TagEnd::Emphasis | TagEnd::Strong => self.words("\\fR"),
            _ => {}
        }
    }

    fn item(&mut self) {
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!(".IP {}. 4", *number - 1)
            }
            _ => ".IP \\(bu 2".to_owned(),
        };
        self.request(&mark);
    }

    fn row(&mut self) -> Option<&mut Vec<String>> {
        self.table.as_mut()?.rows.last_mut()
    }

    /// Lines of roff's own, at the beginning of a line.
    fn request(&mut self, lines: &str) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(lines);
        self.text.push('\n');
    }

    /// Text that is escaped, into the cell or the line.
    fn words(&mut self, text: &str) {
        let cell = self.row().and_then(|row| row.last_mut());
        let to = match cell {
            Some(cell) => cell,
            None => &mut self.text,
        };
        let begins = to.is_empty() || to.ends_with('\n');
        if begins && text.starts_with(['.', '\'']) {
            to.push_str("\\&");
        }
        to.push_str(text);
    }

    fn code(&mut self, text: &str) {
        for line in text.lines() {
            self.words(&escaped(line));
            self.text.push('\n');
        }
    }

    /// Columns that wrap, the last one as wide as there is room.
    fn lay_table(&mut self) {
        let Some(table) = self.table.take() else {
            return;
        };
        let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0);
        let format = vec!["l"; columns.saturating_sub(1)].join(" ");
        self.request(&format!(".PP\n.TS\ntab(\t);\n{format} lx."));
        for row in table.rows {
            let cells: Vec<String> = row.iter().map(|cell| laid(cell)).collect();
            self.request(&cells.join("\t"));
        }
        self.request(".TE");
    }
}

/// A cell: one that is long may wrap.
fn laid(cell: &str) -> String {
    match cell.chars().count() > CELL_CHARS_MAX {
        true => format!("T{{\n{cell}\nT}}"),
        false => cell.to_owned(),
    }
}

/// The text with what roff would take for its own escaped. A hyphen stays what it is, to be copied.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// The escaped code with places where a line may break: names are longer than some columns.
fn breakable(code: &str) -> String {
    let places = ["_", "/", "[].", "="];
    places.iter().fold(code.to_owned(), |code, place| {
        code.replace(place, &format!("{place}\\:"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> String {
        let page = page(&Chapter {
            name: "a-b",
            about: "what - it is",
            text,
        });
        let (_, body) = page.split_once(".SH NAME\n").expect("a name");
        body.to_owned()
    }

    #[test]
    fn markdown_becomes_roff() {
        let text = "# T\n\nOne `x -y`\n.two *and*\n\n- a\n- b\n\n```sh\nrun \\\n.x\n```\n\n| k | v |\n| --- | --- |\n| 1 | `2` is a long cell |\n";
        assert_eq!(
            of(text),
            "blkdex\\-a-b \\- what \\- it is\n.SH\nT\n.PP\nOne \\fBx \\-y\\fR\n\\&.two \\fIand\\fR\n\
             .IP \\(bu 2\na\n.IP \\(bu 2\nb\n.PP\n.RS 4\n.nf\nrun \\e\n\\&.x\n.fi\n.RE\n.PP\n.TS\ntab(\t);\nl lx.\n\
             k\tv\n1\tT{\n\\fB2\\fR is a long cell\nT}\n.TE\n"
        );
    }
}
