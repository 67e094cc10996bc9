//! What the doctor says of a pruned datadir.

use serde_json::Value;

use super::{blkdex, small_files, straight_chain};
use crate::common::trial::Trial;

fn doctor(trial: &Trial, is_deep: bool) -> (Option<i32>, Value) {
    let mut command = blkdex("doctor", trial.index());
    command.args(["--quiet", "--json", "--datadir"]);
    command.arg(&trial.datadir.path);
    command.args(is_deep.then_some("--deep"));
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report)
}

#[test]
fn a_pruned_datadir_is_well_for_an_index_that_goes_on_in_it_and_for_no_other() {
    let chain = straight_chain(4, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=250], small_files());
    trial.import().quietly();
    trial.datadir.append(&chain, &best[251..]);
    let lowest = trial.datadir.prune(&chain, &best, 200);
    let first = trial.datadir.tops(&chain, &best)[lowest - 1] + 1;
    let (code, report) = doctor(&trial, true);
    assert_eq!(
        (code, &report["works"]),
        (Some(0), &true.into()),
        "{report}"
    );
    let found = &report["chain"];
    assert_eq!(
        (&found["state"], &found["complete"]),
        (&"pruned".into(), &true.into())
    );
    assert_eq!(
        (&found["first"], &found["height"]),
        (&first.into(), &340.into())
    );
    assert_eq!(report["needs"]["blocks"], 90);
    assert_eq!(report["deep"]["blocks"], 340 - first + 1);
    assert_eq!(report["problems"], Value::Array(Vec::new()));

    trial.datadir.prune(&chain, &best, 300);
    let (code, report) = doctor(&trial, false);
    assert_eq!(code, Some(1));
    assert_eq!(report["chain"]["gone"]["first"], 251);
    assert_eq!(
        report["chain"]["gone"]["last"],
        report["chain"]["goes_on_at"].as_u64().unwrap() - 1
    );
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].as_str().unwrap().contains("blocks 251 to "));

    std::fs::remove_file(trial.index()).unwrap();
    let (code, report) = doctor(&trial, false);
    assert_eq!(code, Some(1));
    assert_eq!(report["chain"]["first"], Value::Null);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0]
            .as_str()
            .unwrap()
            .contains("a first import needs them")
    );
}
