//! `memory report`: the page, the sheet, and how they are written.

use super::Log;
use super::browser::look;
use super::maker::{Maker, head, text};
use blkdex::ledger::Line;
use std::path::PathBuf;
use std::time::Instant;

/// Where the pictures are left, to be looked at.
fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

fn page(lines: &[Line]) -> String {
    let (code, out, err) = Log::of(lines).memory("report LOG -o -");
    assert_eq!(code, Some(0), "{err}");
    out
}

/// Two runs, a leak, a reorganisation.
fn eventful() -> Vec<Line> {
    let maker = Maker {
        leak_bytes: 40,
        ..Maker::default()
    };
    let mut lines = maker.run(120);
    lines.push(Line::Head(head()));
    lines.extend(maker.records(118, 182));
    lines
}

#[test]
#[cfg_attr(without_chromium, ignore = "needs chromium")]
fn the_page_reads_well_wide_and_narrow_by_day_and_by_night() {
    let page = page(&eventful());
    std::fs::write(pictures().join("memory.log"), text(&eventful())).unwrap();
    for (width, dark) in [
        (1280, false),
        (1280, true),
        (400, false),
        (400, true),
        (800, false),
    ] {
        let name = format!("memory-{width}-{}.png", if dark { "night" } else { "day" });
        let picture = pictures().join(name);
        let found = look(&page, width, dark, &picture);
        assert_eq!(
            (found.width, found.dark),
            (width, dark),
            "the frame is as asked for"
        );
        assert_eq!(
            found.content_width, width,
            "nothing to be scrolled sideways"
        );
        assert!(found.content_height > 1000);
        assert_eq!(found.plots, 6, "each plot in one size");
        assert!(found.shapes > 200, "{}", found.shapes);
        assert!(found.smallest >= 10.0, "{} pixels", found.smallest);
        assert!(found.clipped.is_empty(), "{:?}", found.clipped);
        assert!(found.overlapping.is_empty(), "{:?}", found.overlapping);
        let (paper, ink) = match dark {
            true => ("rgb(20, 24, 29)", "rgb(230, 234, 240)"),
            false => ("rgb(255, 255, 255)", "rgb(27, 36, 48)"),
        };
        assert_eq!((&found.paper[..], &found.ink[..]), (paper, ink));
        let png = std::fs::read(picture).unwrap();
        assert!(
            png.starts_with(b"\x89PNG") && png.len() > 40_000,
            "not blank"
        );
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&eventful());
    for outside in [
        "<script",
        "<link",
        "<img",
        "src=",
        "url(",
        "@import",
        "javascript:",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let addresses = page.matches("http").count();
    assert_eq!(
        addresses,
        page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    for words in [
        "Memory by part",
        "MiB, the most so far, over height; not known: process",
        "budget, 512 MiB",
        "Heap outside the plan",
        "blocks/s",
        "MB/s",
        "spends that hit",
        "seconds over height, 3 commits a bar",
        "merge",
        "The height fell (1 time; the last time from 11,999 to 11,799)",
        "2 runs",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

fn sheet() -> String {
    let log = Log::of(&eventful());
    let (code, out, err) = log.memory("report LOG -o out.svg");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "2 runs, 300 commits, up to height 29,999\n");
    std::fs::read_to_string(log.beside("out.svg")).unwrap()
}

#[test]
fn the_sheet_has_all_plots() {
    let sheet = sheet();
    assert!(sheet.starts_with("<svg ") && sheet.ends_with("</svg>\n"));
    assert_eq!(sheet.matches("<svg ").count(), 7);
    assert_eq!(sheet.matches("</svg>").count(), 7);
}

#[test]
#[cfg_attr(without_chromium, ignore = "needs chromium")]
fn nothing_of_the_sheet_is_cut_off() {
    let page = format!("<!doctype html><body style='margin:0'>{}", sheet());
    let found = look(&page, 1200, false, &pictures().join("memory-sheet.png"));
    assert!(found.clipped.is_empty(), "{:?}", found.clipped);
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let log = Log::of(&Maker::default().run(5));
    let out = log.beside("out.html");
    std::fs::write(&out, "mine").unwrap();
    let (code, _, err) = log.memory("report LOG -o out.html");
    assert_eq!(code, Some(1));
    assert!(
        err.contains("out.html is there already; --force replaces it"),
        "{err}"
    );
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    let (code, said, _) = log.memory("report LOG -o out.html --force --json");
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "{\"commits\":5,\"height\":499,\"runs\":1}\n")
    );
    assert!(
        std::fs::read_to_string(&out)
            .unwrap()
            .starts_with("<!doctype html>")
    );
    let (code, _, err) = log.memory("report LOG -o nowhere/out.html");
    assert!(
        code == Some(1) && err.contains("cannot open nowhere"),
        "{err}"
    );
}

#[test]
fn what_a_log_calls_things_is_no_markup() {
    let mut lines = Maker::default().run(5);
    let name = "<script>alert(1)</script>&\"";
    for line in &mut lines {
        match line {
            Line::Head(head) => {
                head.parts[0].part = name.into();
                head.parts[0].why = name.into();
                head.blkdex = name.into();
            }
            Line::Record(record) => {
                record.parts[0].part = name.into();
                record.stages_ms.insert(name.into(), 5);
            }
        }
    }
    let page = page(&lines);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
}

#[test]
fn a_log_of_one_record_is_drawn() {
    let page = page(&Maker::default().run(1));
    assert!(page.contains("1 run, ") && page.contains("1 commit, up to height 99"));
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
#[cfg_attr(without_chromium, ignore = "needs chromium")]
fn nothing_of_a_log_of_one_record_is_cut_off() {
    let page = page(&Maker::default().run(1));
    let found = look(&page, 400, false, &pictures().join("memory-one.png"));
    assert!(found.clipped.is_empty(), "{:?}", found.clipped);
}

#[test]
fn a_long_log_is_read_quickly_and_its_page_stays_small() {
    let maker = Maker {
        commit_every: 10,
        ..Maker::default()
    };
    let mut lines = maker.run(83_333);
    let Some(Line::Record(peak)) = lines.get_mut(50_000) else {
        panic!("a record");
    };
    peak.heap.live_bytes += 77 << 20;
    let bytes = text(&lines);
    assert!(lines.len() >= 100_000);
    let log = Log::of_text(bytes.as_bytes());
    let begun = Instant::now();
    let (code, _, err) = log.memory("report LOG -o out.html");
    assert_eq!(code, Some(0), "{err}");
    println!("{} MB in {:?}", bytes.len() / 1_000_000, begun.elapsed());
    let page = std::fs::read_to_string(log.beside("out.html")).unwrap();
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    // The one high record is drawn: the axis reaches up to it.
    assert!(page.contains(">\n80\n<"), "heap outside the plan, 80 MiB");
}
