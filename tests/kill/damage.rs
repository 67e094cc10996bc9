//! Indexes that were cut short or changed: an error that names the index, at the opening or where the
//! damage is touched; never a panic, never a wrong answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use crate::common::rng::Rng;
use crate::kills;
use crate::scene::Scene;

const PAGE: usize = 4096;

/// Changes the bytes in one of many ways; says which.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    let pages = (bytes.len() / PAGE) as u64;
    let page = |rng: &mut Rng| rng.below(pages) as usize * PAGE;
    match rng.below(7) {
        0 => {
            bytes.truncate(rng.below(bytes.len() as u64) as usize);
            format!("cut to {} bytes", bytes.len())
        }
        1 => {
            bytes.truncate(page(rng));
            format!("cut to {} pages", bytes.len() / PAGE)
        }
        2 => {
            let at = rng.below(320) as usize;
            bytes[at] ^= 1 << rng.below(8);
            format!("a bit of byte {at}, in the header, is another")
        }
        3 => {
            let at = page(rng);
            bytes[at..at + PAGE].fill(0);
            format!("page {} is zeros", at / PAGE)
        }
        4 => {
            let (from, to) = (page(rng), page(rng));
            bytes.copy_within(from..from + PAGE, to);
            format!("page {} is in place of {}", from / PAGE, to / PAGE)
        }
        5 => {
            let at = page(rng);
            rng.fill(&mut bytes[at..at + PAGE]);
            format!("page {} is noise", at / PAGE)
        }
        _ => {
            // A byte that is something.
            let mut at = rng.below(bytes.len() as u64) as usize;
            while bytes[at] == 0 {
                at = (at + 1) % bytes.len();
            }
            bytes[at] ^= 1 << rng.below(8);
            format!(
                "a bit of byte {} of page {} is another",
                at % PAGE,
                at / PAGE
            )
        }
    }
}

/// What the whole index answers: `Ok` if all of it is right, else the error or panic.
fn judge(scene: &Scene) -> Result<(), String> {
    let judged = catch_unwind(AssertUnwindSafe(|| scene.check()));
    judged.map_err(|panic| match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(_) => "a panic of other words".to_owned(),
    })
}

fn is_error(panic: &str) -> bool {
    panic.contains("called `Result::unwrap()` on an `Err` value")
}

/// Whether it is the fault that a panic of redb became.
fn is_panic_of_redb(panic: &str) -> bool {
    is_error(panic) && panic.contains("DamagedIndex { ") && panic.contains("\"redb, ")
}

/// Runs a command; it must end with 0, or with 1 and a line of words.
fn ends_in_words(mut command: Command, what: &str) -> Result<(), String> {
    let output = command.output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    let in_words = match code {
        Some(0) => true,
        Some(1) => words.starts_with("blkdex: ") && words.lines().count() == 1,
        _ => false,
    };
    let line = format!(
        "{what}: {:?} ended with {}: {words}",
        command.get_args().next(),
        output.status
    );
    in_words.then_some(()).ok_or(line)
}

/// Errors that end a comparison are not shown.
fn keep_errors_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| match info.payload_as_str() {
        Some(words) if is_error(words) => {}
        _ => usual(info),
    }));
}

fn damage_again_and_again(scene: &Scene, seed: u64) {
    scene.calls();
    let whole = std::fs::read(scene.index()).unwrap();
    let mut rng = Rng::new(seed);
    let (mut right, mut errors, mut of_redb, mut wrong) = (0, 0, 0, Vec::new());
    for _ in 0..10 * kills() {
        let mut bytes = whole.clone();
        let what = damage(&mut bytes, &mut rng);
        std::fs::write(scene.index(), &bytes).unwrap();
        match judge(scene) {
            Ok(()) => right += 1,
            Err(panic) if is_error(&panic) => {
                errors += 1;
                of_redb += usize::from(is_panic_of_redb(&panic));
            }
            Err(panic) => wrong.push(format!("{what}: {panic}")),
        }
        if rng.below(4) == 0 {
            std::fs::write(scene.index(), &bytes).unwrap();
            wrong.extend(ends_in_words(scene.status(), &what).err());
            wrong.extend(ends_in_words(scene.import_piped(), &what).err());
        }
    }
    println!("{right} right, {errors} errors, {of_redb} of them panics of redb");
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn a_damaged_index_never_answers_wrongly() {
    keep_errors_quiet();
    damage_again_and_again(&Scene::small(), 21);
    damage_again_and_again(&Scene::merging(), 22);
}

/// A page that is in use and has no kind makes redb panic.
#[test]
fn a_panic_of_redb_is_a_fault_and_leaves_no_lock() {
    let scene = Scene::small();
    scene.calls();
    let whole = std::fs::read(scene.index()).unwrap();
    let mut panics = 0;
    for page in 1..whole.len() / PAGE {
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..PAGE].fill(0);
        std::fs::write(scene.index(), &bytes).unwrap();
        let opened = blkdex::index::Index::open(scene.index(), 1 << 20);
        let read = opened.and_then(|index| {
            let (tip, _) = index.tip().unwrap();
            index.snapshot()?.block(tip)
        });
        let Err(error) = read else { continue };
        let words = error.to_string();
        if !words.contains("(redb, ") {
            continue;
        }
        panics += 1;
        assert!(words.ends_with("`blkdex rebuild` makes it anew"), "{words}");
        for command in [scene.status(), scene.import_piped()] {
            let what = format!("page {page} is zeros");
            ends_in_words(command, &what).unwrap();
        }
    }
    assert!(panics > 0);
}
