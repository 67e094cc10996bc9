//! Indexes that were cut short or changed: an error that names the index, at the opening or where the
//! damage is touched; never a panic, never a wrong answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use blkdex::{Error, query};

use crate::common::damage::{PAGE, damage};
use crate::common::rng::Rng;
use crate::kills;
use crate::scene::Scene;

/// What a look at the index came to.
enum Judged {
    Right,
    Fault(Error),
    Wrong(String),
}

/// Asks everything at a height.
fn judge(scene: &Scene, height: u32) -> Judged {
    let asked = catch_unwind(AssertUnwindSafe(|| scene.ask(height)));
    match asked {
        Ok(Ok(())) => Judged::Right,
        // That it knows no such block or transaction is an answer.
        Ok(Err(error)) if error.fault::<query::Fault>().is_none() => Judged::Fault(error),
        Ok(Err(error)) => Judged::Wrong(error.to_string()),
        Err(panic) => Judged::Wrong(match panic.downcast::<String>() {
            Ok(words) => *words,
            Err(_) => "a panic of other words".to_owned(),
        }),
    }
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
    scene.calls();
    let whole = std::fs::read(scene.index()).unwrap();
    let mut rng = Rng::new(seed);
    let (mut right, mut faults, mut of_redb, mut wrong) = (0, 0, 0, Vec::new());
    for _ in 0..10 * kills() {
        let mut bytes = whole.clone();
        let what = damage(&mut bytes, &mut rng);
        std::fs::write(scene.index(), &bytes).unwrap();
        match judge(scene, rng.below(u64::from(scene.height()) + 1) as u32) {
            Judged::Right => right += 1,
            Judged::Fault(error) => {
                faults += 1;
                of_redb += usize::from(error.to_string().contains("(redb, "));
            }
            Judged::Wrong(words) => wrong.push(format!("{what}: {words}")),
        }
        if rng.below(4) == 0 {
            std::fs::write(scene.index(), &bytes).unwrap();
            wrong.extend(ends_in_words(scene.status(), &what).err());
            wrong.extend(ends_in_words(scene.import_piped(), &what).err());
        }
    }
    println!("{right} right, {faults} faults, {of_redb} of them panics of redb");
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn a_damaged_index_never_answers_wrongly() {
    damage_again_and_again(&Scene::small(), 21);
    damage_again_and_again(&Scene::small().keeping_txids(), 23);
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
        let Err(error) = scene.ask(0) else { continue };
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
