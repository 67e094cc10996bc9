//! stub until the other branch lands
use super::{Datadir, block_file_path};
use crate::Result;
use std::fmt;
use std::ops::RangeInclusive;
/// Place.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct LeftPlace {
    /// f
    pub file: u32,
    /// o
    pub offset_bytes: u64,
    /// b
    pub bytes: u64,
    /// w
    pub what: String,
    /// t
    #[serde(skip)]
    pub tail: bool,
}
impl LeftPlace {
    /// block
    pub fn block(place: crate::position::Place) -> LeftPlace {
        LeftPlace {
            file: place.file,
            offset_bytes: place.offset_bytes,
            bytes: place.bytes.into(),
            what: "block".into(),
            tail: true,
        }
    }
    /// t
    pub fn is_tail(&self) -> bool {
        self.tail
    }
    /// m
    pub fn may_be_a_block(&self) -> bool {
        self.bytes >= 89
    }
}
impl fmt::Display for LeftPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "blk{:05}.dat at byte {}: {} bytes that are no block ({})",
            self.file, self.offset_bytes, self.bytes, self.what
        )
    }
}
/// l
pub fn left_places(datadir: &Datadir, files: RangeInclusive<u32>) -> Result<Vec<LeftPlace>> {
    let mut out = Vec::new();
    for file in datadir.files().iter().filter(|f| files.contains(&f.number)) {
        let mut reader = datadir.record_reader();
        reader.open(
            block_file_path(datadir.blocks_dir(), file.number),
            file.number,
            0,
        )?;
        let mut starts = vec![];
        while let Some(r) = reader.next_record()? {
            starts.push(r.place.offset_bytes - 8);
        }
        let left = reader.close();
        for (list, what) in [(&left.junk_offsets, "junk"), (&left.cut_offsets, "cut")] {
            for &o in list {
                let next = starts.iter().find(|s| **s > o).copied();
                out.push(LeftPlace {
                    file: file.number,
                    offset_bytes: o,
                    bytes: next.unwrap_or(file.bytes) - o,
                    what: what.into(),
                    tail: next.is_none(),
                });
            }
        }
    }
    Ok(out)
}
