//! `status`: how far the index reaches and what it holds.
//!
//! Invariant: answered from the index alone.

use super::View;
use super::answers::{RunCounts, Status};
use crate::Result;
use crate::index::left_out::left_out;
use crate::index::scan_state::chain_end;
use crate::primitives::header::time_of;
use crate::runs::row::Relation;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

impl View<'_> {
    /// What the index holds up to the height asked about.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn status(&self) -> Result<Status> {
        let index = self.snapshot.index();
        let runs = |relation| index.catalogue().of(relation).len();
        Ok(Status {
            network: self.network.to_string(),
            height: self.at,
            hash: BlockHash::from_byte_array(self.row.hash),
            time: time_of(&self.row.header),
            blocks: u64::from(self.at.0) + 1,
            txs: self.row.txs,
            inputs: self.row.inputs,
            outputs: self.row.outputs,
            coins: self.row.coins,
            settled_height: index.meta().settled,
            keeps_txids: index.keeps_txids(),
            index_bytes: index.store().allocated_bytes()?,
            runs: RunCounts {
                coins: runs(Relation::Coins),
                funding: runs(Relation::Funding),
                spending: runs(Relation::Spending),
                txids: runs(Relation::Txids),
            },
            blocks_dir: index.meta().blocks_dir.clone(),
            chain: chain_end(index.store())?,
            left_out: left_out(index.store())?,
        })
    }
}
