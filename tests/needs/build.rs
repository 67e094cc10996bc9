//! The build script: says to the tests what of the things that some of them need is missing here, so
//! that these are listed as ignored (`#[cfg_attr(without_shared, ignore = "needs ../shared")]`), and to the program
//! what it is built from.
//!
//! Invariant: the program itself is built the same with and without what tests need.

mod found;
mod versions;

use found::NEEDS;

fn main() {
    let repository = std::env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it");
    versions::tell(repository.as_ref());
    println!("cargo::rerun-if-changed=tests/needs");
    println!("cargo::rerun-if-env-changed=PATH");
    for need in NEEDS {
        let cfg = need.cfg_if_missing;
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        match (need.find)() {
            // Cargo looks whether it goes. It cannot look whether something comes: `main.rs` does.
            Some(path) => println!("cargo::rerun-if-changed={}", path.display()),
            None => println!("cargo::rustc-cfg={cfg}"),
        }
    }
}
