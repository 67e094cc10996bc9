//! The bench.

mod coins;
mod files;
mod generate;
mod hash;
#[path = "../common/rng.rs"]
mod rng;
mod script;
mod txs;

fn main() -> std::io::Result<()> {
    let gb: f64 = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(0.2);
    let params = generate::Params {
        bytes: (gb * 1e9) as u64,
        seed: 1,
        plain: false,
    };
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("../bench-chains");
    let (folder, facts) = generate::chain(&cache, params)?;
    println!("{}\n{facts:#}", folder.display());
    Ok(())
}
