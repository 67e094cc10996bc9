//! Indexes that were cut short or changed: an error that names the index, at the opening or where the
//! damage is touched; never a panic, never a wrong answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;

use crate::common::rng::Rng;
use crate::kills;
use crate::scene::Scene;

/// The message of the last panic and where it was raised.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

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
    judged.map_err(|_| LAST_PANIC.lock().unwrap().clone())
}

fn is_error(panic: &str) -> bool {
    panic.contains("called `Result::unwrap()` on an `Err` value")
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

fn damage_again_and_again(scene: &Scene, seed: u64) {
    std::panic::set_hook(Box::new(|info| {
        *LAST_PANIC.lock().unwrap() = info.to_string();
    }));
    scene.calls();
    let whole = std::fs::read(scene.index()).unwrap();
    let mut rng = Rng::new(seed);
    let (mut right, mut errors, mut panics, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for _ in 0..10 * kills() {
        let mut bytes = whole.clone();
        let what = damage(&mut bytes, &mut rng);
        std::fs::write(scene.index(), &bytes).unwrap();
        match judge(scene) {
            Ok(()) => right += 1,
            Err(panic) if is_error(&panic) => errors += 1,
            Err(panic) if panic.contains("/redb-") => panics.push(format!("{what}: {panic}")),
            Err(panic) => wrong.push(format!("{what}: {panic}")),
        }
        if rng.below(4) == 0 {
            std::fs::write(scene.index(), &bytes).unwrap();
            wrong.extend(ends_in_words(scene.status(), &what).err());
            wrong.extend(ends_in_words(scene.import_piped(), &what).err());
        }
    }
    let _ = std::panic::take_hook();
    println!(
        "{right} right, {errors} errors, {} panics of redb",
        panics.len()
    );
    panics.iter().for_each(|panic| eprintln!("  {panic}"));
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn a_damaged_index_never_answers_wrongly() {
    damage_again_and_again(&Scene::small(), 21);
    damage_again_and_again(&Scene::merging(), 22);
}
