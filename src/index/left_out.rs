//! Blocks that are left out of the chain because they break the rules, and what they do wrong.
//!
//! Invariant: a block is here only because of its own bytes and those of its ancestors, so no file that
//! is mended, and no block that comes later, makes it valid; or because a person said so.
//!
//! `left_out`, hash (32 bytes) → [`LeftOut`] as JSON.

use crate::Result;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::store::writing::Writing;
use crate::store::{Store, TableDefinition};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::fmt;

pub(super) const LEFT_OUT: TableDefinition<'static, &[u8; 32], &[u8]> =
    TableDefinition::new("left_out");

/// A block that is left out, with all that follow it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height; `None` if a person named it.
    pub height: Option<Height>,
    /// What it does wrong.
    pub fault: String,
}

impl LeftOut {
    /// Named by a person.
    pub(crate) fn by_hand(hash: &Hash32) -> LeftOut {
        LeftOut {
            hash: BlockHash::from_byte_array(*hash),
            height: None,
            fault: "named with --invalid; a rebuild without it forgets that".to_owned(),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(height) = self.height {
            write!(f, "block {height}, ")?;
        }
        write!(f, "{}: {}", self.hash, self.fault)
    }
}

/// All of them, by height; those without one first.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn left_out(store: &Store) -> Result<Vec<LeftOut>> {
    let snapshot = store.read()?;
    let Some(table) = snapshot.find_table(LEFT_OUT)? else {
        return Ok(Vec::new());
    };
    let mut blocks = Vec::new();
    for entry in table.range::<&[u8; 32]>(..)? {
        let (hash, bytes) = entry?;
        let read: Option<LeftOut> = serde_json::from_slice(bytes.value()).ok();
        blocks.push(read.unwrap_or_else(|| LeftOut {
            fault: "for a reason that cannot be read any more".to_owned(),
            ..LeftOut::by_hand(hash.value())
        }));
    }
    blocks.sort_by_key(|block| block.height);
    Ok(blocks)
}

/// Notes a block that breaks the rules, for this import and all later ones.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn leave_out(store: &Store, block: &LeftOut) -> Result<()> {
    store.durable(|transaction| insert(transaction, block).map(drop))
}

/// Notes blocks that a person says are invalid, once the index has followed a chain without them.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn exclude(store: &Store, hashes: &[Hash32]) -> Result<()> {
    let known = left_out(store)?;
    let is_known = |hash: &Hash32| {
        known
            .iter()
            .any(|known| known.hash.to_byte_array() == *hash)
    };
    for hash in hashes.iter().filter(|hash| !is_known(hash)) {
        leave_out(store, &LeftOut::by_hand(hash))?;
    }
    Ok(())
}

/// Says whether it is new; what was said of it first stays.
fn insert(transaction: &Writing, block: &LeftOut) -> Result<bool> {
    let mut table = transaction.open_table(LEFT_OUT)?;
    let hash = block.hash.to_byte_array();
    if table.get(&hash)?.is_some() {
        return Ok(false);
    }
    let bytes = serde_json::to_vec(block).expect("plain fields become JSON");
    table.insert(&hash, &bytes[..])?;
    Ok(true)
}
