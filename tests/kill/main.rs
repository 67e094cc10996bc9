//! Imports that are killed, or whose disk fails, at any moment: what was committed stays, the next
//! import goes on, and in the end the index holds exactly what the truth holds.
//!
//! Invariant: every index is compared row by row with the truth, not with another index.
//!
//! `BLKDEX_KILLS=1000 cargo test --release --test kill` is the soak: so many kills a test.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod damage;
mod disk;
mod disk_model;
mod following;
mod power;
mod rebuild;
mod recorder;
mod scene;
mod tracer;

use common::rng::Rng;
use scene::Scene;
use tracer::{Deed, End};

/// Kills in each test of the ordinary suite.
const KILLS: u64 = 8;

/// Kills in each test now.
pub fn kills() -> u64 {
    let wanted = std::env::var("BLKDEX_KILLS").ok();
    wanted.map_or(KILLS, |text| text.parse().unwrap())
}

/// Kills imports at random calls, each going on where the one before was killed, until so many kills
/// are done; every import that comes to its end is compared with the truth.
fn kill_again_and_again(scene: &Scene, seed: u64) {
    let mut rng = Rng::new(seed);
    let total = scene.calls();
    let mut done = 0;
    while done < kills() {
        scene.begin_anew();
        loop {
            let nth = 1 + rng.below(total / 2);
            match tracer::run(&mut scene.import(), nth, Deed::Kill).0 {
                End::Killed => {
                    done += 1;
                    scene.check_answers();
                }
                End::Ended(status) => {
                    assert!(status.success(), "after {done} kills: {}", scene.words());
                    break;
                }
            }
        }
        scene.check();
    }
    println!("{done} kills, an undisturbed import makes {total} calls");
}

/// Kills a first import at evenly spread calls, all of them if there are no more than the kills.
fn kill_at_every_call(scene: &Scene) {
    let total = scene.calls();
    let step = (total / kills()).max(1);
    for nth in (1..=total).step_by(step as usize) {
        scene.begin_anew();
        let (end, _) = tracer::run(&mut scene.import(), nth, Deed::Kill);
        assert!(matches!(end, End::Killed), "call {nth} of {total}: {end:?}");
        scene.check_answers();
        let status = scene.import().status().unwrap();
        assert!(status.success(), "killed at {nth}: {}", scene.words());
        scene.check();
    }
}

#[test]
fn an_import_killed_at_any_call_goes_on() {
    kill_at_every_call(&Scene::small());
}

#[test]
fn imports_killed_again_and_again_end_as_if_undisturbed() {
    kill_again_and_again(&Scene::small(), 1);
}

#[test]
fn killed_merges_of_many_runs_go_on() {
    let scene = Scene::merging();
    kill_again_and_again(&scene, 2);
    scene.check_merged();
}

#[test]
fn killed_bulk_imports_go_on() {
    let scene = Scene::bulk();
    kill_again_and_again(&scene, 3);
    scene.check_merged();
}

#[test]
fn killed_rollbacks_go_on() {
    kill_again_and_again(&Scene::forked(), 4);
}

#[test]
fn killed_imports_go_on_where_files_were_deleted() {
    kill_again_and_again(&Scene::pruned(), 6);
}

/// Kills by the clock also fall into the middle of a call.
#[test]
fn imports_killed_by_the_clock_end_as_if_undisturbed() {
    let scene = Scene::merging();
    let began = std::time::Instant::now();
    assert!(scene.import().status().unwrap().success());
    let whole_us = began.elapsed().as_micros() as u64;
    let (mut rng, mut done) = (Rng::new(5), 0);
    while done < kills() {
        scene.begin_anew();
        loop {
            let mut child = scene.import().spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_micros(rng.below(whole_us)));
            let ended = child.try_wait().unwrap();
            if let Some(status) = ended {
                assert!(status.success(), "after {done} kills: {}", scene.words());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
            scene.check_answers();
        }
        scene.check();
    }
}
