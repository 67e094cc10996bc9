//! Where block files are read from, and where the index ends, said if that is not what the user pointed at.
//!
//! Invariant: what cannot be found is no fault here; the work that needs it says so.

use crate::args::AtArgs;
use crate::commands::streams::say;
use crate::commands::words::date;
use blkdex::datadir::{Found, Location, Source};
use blkdex::index::Index;
use blkdex::utxo::{AsOf, At};
use std::path::Path;

/// Says it for an import, if a setting was followed.
pub fn say_of_source(source: &Source) {
    say_found(source.find());
}

/// Says it for a question to an index that is open.
pub fn say_of_index(at: &AtArgs, index: &Index) {
    if let Some(location) = at.location() {
        say_found(index.find_blocks(&location));
    }
}

/// The same for an index that is not open.
pub fn say_of_closed(location: Option<Location>, index: &Path) {
    if let Some(location) = location
        && let Ok(index) = Index::open(index)
    {
        say_found(index.find_blocks(&location));
    }
}

/// Says it where the index may not reach the moment that was asked about.
pub fn say_of_end(at: &AtArgs, as_of: &AsOf) {
    if let Some(At::Time(_)) = at.at
        && as_of.tip
    {
        say(&format!(
            "blkdex: the index ends with block {} of {} UTC, and may lack later blocks of the time asked about; \
             `blkdex import` adds what the block files have",
            as_of.height,
            date(as_of.time)
        ));
    }
}

fn say_found(found: blkdex::Result<Found>) {
    if let Ok(found) = found
        && found.followed.is_some()
    {
        say(&found.to_string());
    }
}
