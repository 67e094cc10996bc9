//! The manual: chapters that `blkdex manual` prints as they stand, and that are documentation here.
//!
//! Invariant: a chapter begins with a title, and what its tables say of JSON is what the program prints
//! (`tests/manual/` compares both).

/// A chapter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Chapter {
    /// What `blkdex manual` takes.
    pub name: &'static str,
    /// What it tells, in one line.
    pub about: &'static str,
    /// All of it, as Markdown.
    pub text: &'static str,
}

#[doc = include_str!("import.md")]
pub const IMPORT: &str = include_str!("import.md");
/// The unit stands in a file of its own, so that it can be checked, and installed, as it is.
#[doc = concat!(include_str!("service.md"), "```ini\n", include_str!("blkdex.service"), "```\n")]
pub const SERVICE: &str = concat!(
    include_str!("service.md"),
    "```ini\n",
    include_str!("blkdex.service"),
    "```\n"
);
#[doc = include_str!("questions.md")]
pub const QUESTIONS: &str = include_str!("questions.md");
#[doc = include_str!("verify.md")]
pub const VERIFY: &str = include_str!("verify.md");
#[doc = include_str!("export.md")]
pub const EXPORT: &str = include_str!("export.md");
#[doc = include_str!("dataset.md")]
pub const DATASET: &str = include_str!("dataset.md");
#[doc = include_str!("memory.md")]
pub const MEMORY: &str = include_str!("memory.md");
#[doc = include_str!("speed.md")]
pub const SPEED: &str = include_str!("speed.md");
#[doc = include_str!("faults.md")]
pub const FAULTS: &str = include_str!("faults.md");
#[doc = include_str!("format.md")]
pub const FORMAT: &str = include_str!("format.md");
#[doc = include_str!("install.md")]
pub const INSTALL: &str = include_str!("install.md");
#[doc = include_str!("changelog.md")]
pub const CHANGELOG: &str = include_str!("changelog.md");

/// All chapters, in the order in which they are best read.
pub const CHAPTERS: [Chapter; 12] = [
    chapter("import", "importing, operating, doctor, rebuild", IMPORT),
    chapter(
        "service",
        "staying beside a node: --follow, systemd, other users",
        SERVICE,
    ),
    chapter(
        "questions",
        "what can be asked, the answers, their JSON fields",
        QUESTIONS,
    ),
    chapter("verify", "proving the index against Bitcoin Core", VERIFY),
    chapter("export", "coins and balances as files", EXPORT),
    chapter(
        "dataset",
        "the chain as Parquet tables, for DuckDB, Spark and others",
        DATASET,
    ),
    chapter(
        "memory",
        "the plan, running under a limit, the memory log",
        MEMORY,
    ),
    chapter("speed", "sizing a machine, and what was measured", SPEED),
    chapter(
        "faults",
        "what survives which fault; exit codes; limits",
        FAULTS,
    ),
    chapter(
        "format",
        "how it works, the file format, its policy",
        FORMAT,
    ),
    chapter(
        "install",
        "building, packages, manual pages, completions",
        INSTALL,
    ),
    chapter(
        "changelog",
        "what changed, and what becomes of an index",
        CHANGELOG,
    ),
];

const fn chapter(name: &'static str, about: &'static str, text: &'static str) -> Chapter {
    Chapter { name, about, text }
}

/// There is no chapter of that name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the manual has no chapter '{found}'; it has {}", names().join(", "))]
pub struct UnknownChapter {
    /// What was asked for.
    pub found: String,
}

/// The chapter of that name.
///
/// # Errors
/// [`UnknownChapter`].
pub fn find(name: &str) -> Result<Chapter, UnknownChapter> {
    let found = CHAPTERS.into_iter().find(|chapter| chapter.name == name);
    found.ok_or_else(|| UnknownChapter { found: name.into() })
}

fn names() -> [&'static str; CHAPTERS.len()] {
    CHAPTERS.map(|chapter| chapter.name)
}

impl crate::error::Fault for UnknownChapter {
    fn family(&self) -> crate::error::Family {
        crate::error::Family::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chapter_is_found_and_has_a_title_and_a_first_sentence() {
        for chapter in CHAPTERS {
            assert_eq!(find(chapter.name), Ok(chapter));
            let mut lines = chapter.text.lines();
            let title = lines.next().expect("a first line");
            assert!(title.starts_with("# "), "{}: {title}", chapter.name);
            assert_eq!(lines.next(), Some(""), "{}", chapter.name);
            assert!(lines.next().is_some_and(|line| line.len() > 20));
        }
    }

    #[test]
    fn a_chapter_that_is_not_there_is_answered_with_those_that_are() {
        let refused = find("imports").expect_err("no such chapter").to_string();
        for chapter in CHAPTERS {
            assert!(refused.contains(chapter.name), "{refused}");
        }
        assert_eq!(refused.lines().count(), 1);
    }
}
