//! Disks that are full, or fail, at any moment: one clear line, exit code 1, and what was committed
//! stays and is gone on with.

use std::process::ExitStatus;

use crate::common::limits::limit_files;
use crate::common::rng::Rng;
use crate::kills;
use crate::scene::Scene;

/// Checks how an import that met a fault ended; goes on without the fault, and compares.
fn check_failed(scene: &Scene, status: ExitStatus, what: &str) {
    let words = scene.words();
    assert_eq!(status.code(), Some(1), "{what}: {status}: {words}");
    assert_eq!(words.lines().count(), 1, "{what}: {words}");
    let index = scene.index().to_str().unwrap();
    assert!(
        words.starts_with("blkdex: ") && words.contains(index),
        "{what}: {words}"
    );
    scene.check_answers();
}

fn go_on(scene: &Scene, what: &str) {
    let status = scene.import().status().unwrap();
    assert!(status.success(), "after {what}: {}", scene.words());
    scene.check();
}

fn fill_the_disk(scene: &Scene, seed: u64) {
    scene.calls();
    let whole = scene.index().metadata().unwrap().len();
    let (mut rng, mut done) = (Rng::new(seed), 0);
    while done < kills() {
        scene.begin_anew();
        // Room is made a few times, but never enough until the end.
        for _ in 0..3 {
            let bytes = rng.below(whole);
            let mut import = scene.import();
            limit_files(&mut import, bytes);
            let status = import.status().unwrap();
            if !status.success() {
                let what = format!("{bytes} bytes of {whole}");
                check_failed(scene, status, &what);
                assert_eq!(scene.unfinished_files(), 0, "{what}");
                assert!(
                    scene.words().contains("File too large"),
                    "{}",
                    scene.words()
                );
                done += 1;
            }
        }
        go_on(scene, "there is room again");
    }
}

#[test]
fn a_full_disk_is_said_and_the_import_goes_on_when_there_is_room() {
    fill_the_disk(&Scene::small(), 11);
    fill_the_disk(&Scene::merging(), 12);
    fill_the_disk(&Scene::bulk(), 13);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_failing_disk_is_said_and_the_import_goes_on_with_another() {
    use crate::tracer::{Deed, End, run};
    for (scene, seed) in [(Scene::small(), 14), (Scene::merging(), 15)] {
        let (total, mut rng) = (scene.calls(), Rng::new(seed));
        for _ in 0..kills() {
            scene.begin_anew();
            let nth = 1 + rng.below(total);
            let error = *rng.pick(&[libc::EIO, libc::ENOSPC]);
            let (end, _) = run(&mut scene.import(), nth, Deed::Fail(error));
            let End::Ended(status) = end else { panic!() };
            let what = format!("error {error} from call {nth} of {total} on");
            if !status.success() {
                check_failed(&scene, status, &what);
            }
            go_on(&scene, &what);
        }
    }
}
