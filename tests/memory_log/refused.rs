//! Logs that are damaged, cut short, or something else, and questions that make no sense.

use super::maker::{Maker, head, text};
use super::{Log, memory};
use blkdex::ledger::{LOG_LINE_BYTES_MAX, Line};

/// Asserts that all commands fail alike, in one line.
fn refused(log: &Log, words: &str) {
    for args in [
        "show LOG",
        "diff LOG --from 99 --to 199",
        "report LOG -o out.html",
        "report LOG -o -",
    ] {
        let (code, out, err) = log.memory(args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args}: {err}");
        assert!(err.contains(words), "{args}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(!log.beside("out.html").exists());
    }
}

#[test]
fn what_is_no_log_is_refused() {
    refused(
        &Log::of_text(b""),
        "memory.log is not a memory log: it is empty",
    );
    let other = "is not a memory log: its first line is not a log's";
    for bytes in [
        &b"\n"[..],
        b"{}\n",
        b"[1, 2]\n",
        b"text\n",
        b"{\"log\":\"another\",\"version\":1}\n",
        b"{\"log\":\"blkdex memory\"}\n",
        b"\xff\xfe\0\0\x01",
        &[0; 1000],
        &vec![b'a'; 3 << 20],
    ] {
        refused(&Log::of_text(bytes), other);
    }
    let headless = &text(&Maker::default().run(2)[1..]);
    refused(&Log::of_text(headless.as_bytes()), other);
    let head = text(&[Line::Head(head())]);
    refused(&Log::of_text(&head.as_bytes()[..head.len() / 2]), other);
}

#[test]
fn folders_and_missing_files_are_named() {
    let log = Log::of(&Maker::default().run(2));
    for (path, words) in [("nowhere", "cannot open"), ("", "is a folder, not a file")] {
        let (code, _, err) = memory(&log.beside(path), "show LOG");
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
        assert!(err.contains(words), "{err}");
    }
}

#[test]
fn another_version_is_refused_whatever_its_fields() {
    let log = Log::of_text(b"{\"log\":\"blkdex memory\",\"version\":2,\"new\":[]}\n{\"what\":1}\n");
    refused(&log, "has version 2, this blkdex reads version 1");
}

#[test]
fn a_log_without_records_is_refused() {
    refused(&Log::of(&[Line::Head(head())]), "has no records yet");
}

#[test]
fn a_damaged_line_is_named() {
    let good = text(&Maker::default().run(5));
    let lines: Vec<&str> = good.lines().collect();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number] = line;
        Log::of_text((lines.join("\n") + "\n").as_bytes())
    };
    let half = &lines[3][..lines[3].len() / 2];
    refused(
        &with(3, half),
        "memory.log, line 4: no record: EOF while parsing",
    );
    refused(
        &with(3, "{}"),
        "memory.log, line 4: no record: missing field `moment`",
    );
    refused(
        &with(3, &lines[3].replace(':', ";")),
        "memory.log, line 4: no record: expected `:`",
    );
    let negative = lines[3].replacen("\"height\":", "\"height\":-", 1);
    refused(
        &with(3, &negative),
        "memory.log, line 4: no record: invalid value",
    );
    // The last line, too: it has its end, so no kill has cut it.
    refused(
        &with(5, half),
        "memory.log, line 6: no record: EOF while parsing",
    );
    let long = "a".repeat(3 << 20);
    refused(
        &with(3, &long),
        &format!("memory.log, line 4: longer than {LOG_LINE_BYTES_MAX} bytes"),
    );
    refused(
        &with(0, &lines[0].replace(":1,", ":-1,")),
        "its first line is not a log's",
    );
}

#[test]
fn a_log_that_ends_within_a_line_is_read_up_to_there() {
    let good = text(&Maker::default().run(5));
    let last = good.trim_end().rfind('\n').unwrap() + 1;
    for end in [last + 1, last + 500, good.len() - 2] {
        let log = Log::of_text(&good.as_bytes()[..end]);
        let (code, out, err) = log.memory("show LOG");
        assert_eq!(code, Some(0));
        assert!(out.contains("399, after a commit"), "{out}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(
            err.contains("line 6 was cut short, by the end of an import"),
            "{err}"
        );
        let (code, _, err) = log.memory("report LOG -o out.html --force");
        assert!((code, err.lines().count()) == (Some(0), 1), "{err}");
        let page = std::fs::read_to_string(log.beside("out.html")).unwrap();
        assert!(page.contains("left out: line 6 of the log"));
    }
    let whole = Log::of_text(good.trim_end().as_bytes());
    let (code, out, err) = whole.memory("show LOG");
    assert_eq!(
        (code, err.as_str()),
        (Some(0), ""),
        "only the line's end is missing"
    );
    assert!(out.contains("499, after a commit"), "{out}");
}

#[test]
fn a_run_appended_to_a_cut_line_is_read() {
    let (first, second) = (
        text(&Maker::default().run(5)),
        text(&Maker::default().run(7)),
    );
    let cut = &first[..first.len() - 100];
    for between in ["", "\n"] {
        let log = Log::of_text(format!("{cut}{between}{second}").as_bytes());
        let (code, out, err) = log.memory("show LOG");
        assert_eq!(code, Some(0), "{err}");
        assert!(
            out.contains("699, after a commit") && out.contains("2 of 2"),
            "{out}"
        );
        assert!(err.contains("line 6 was cut short"), "{err}");
    }
    // Two broken lines in a row are more than a kill leaves behind.
    let log = Log::of_text(format!("{cut}\n{{\n{second}").as_bytes());
    refused(&log, "memory.log, line 6: ");
}

#[test]
fn heights_that_the_log_does_not_have_are_refused() {
    let log = Log::of(&Maker::default().run(5));
    for (args, code, words) in [
        (
            "show LOG --at 98",
            1,
            "has nothing at height 98: it goes from 99 to 499",
        ),
        (
            "show LOG --at 500",
            1,
            "has nothing at height 500: it goes from 99 to 499",
        ),
        ("diff LOG --from 0 --to 199", 1, "has nothing at height 0"),
        (
            "diff LOG --from 99 --to 4000000000",
            1,
            "at height 4000000000",
        ),
        (
            "diff LOG --from 110 --to 120",
            1,
            "has one record for both heights, 110 and 120",
        ),
        (
            "diff LOG --from 99 --to 99",
            1,
            "has one record for both heights",
        ),
        (
            "diff LOG --from 200 --to 199",
            2,
            "--from 200 is above --to 199",
        ),
        ("diff LOG --from x --to 199", 2, "invalid digit"),
        ("diff LOG --from 99", 2, "--to"),
        ("show", 2, "LOG"),
        ("report LOG", 2, "--output"),
        ("report LOG -o a.png", 2, "ends in .html or .svg"),
    ] {
        let (found, out, err) = log.memory(args);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{args}: {err}");
        assert!(err.contains(words), "{args}: {err}");
    }
}

#[test]
fn numbers_at_their_limits_are_survived() {
    let mut lines = Maker::default().run(3);
    for line in &mut lines {
        let Line::Record(record) = line else { continue };
        record.elapsed_ms = u64::MAX - record.elapsed_ms;
        record.blocks = u64::MAX;
        record.table.hits = u64::MAX;
        record.table.misses = u64::MAX;
        record.heap.live_bytes = u64::MAX;
        record.index_bytes = u64::MAX;
        for part in &mut record.parts {
            (part.capacity_bytes, part.in_use_bytes) = (u64::MAX, Some(u64::MAX));
        }
        record.stages_ms.values_mut().for_each(|ms| *ms = u64::MAX);
    }
    let log = Log::of(&lines);
    for args in [
        "show LOG",
        "diff LOG --from 99 --to 299",
        "report LOG -o out.html",
        "report LOG -o out.svg",
    ] {
        let (code, _, err) = log.memory(args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args}");
    }
}
