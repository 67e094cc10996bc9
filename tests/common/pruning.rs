//! What a node that prunes has deleted.
//!
//! Invariant: whole files go, the lowest first.

use bitcoin::BlockHash;

use super::chain::Chain;
use super::datadir::Datadir;

impl Datadir {
    /// Deletes the lowest files, all in which no block is above `height`, if blocks were written in this order.
    /// Returns the number of the lowest that is left.
    pub fn prune(&self, chain: &Chain, order: &[BlockHash], height: u32) -> usize {
        for (number, top) in self.tops(chain, order).iter().enumerate() {
            if *top > height {
                return number;
            }
            let _ = std::fs::remove_file(self.file(number));
        }
        panic!("nothing is left");
    }

    /// The highest block in each file, if blocks were written in this order.
    pub fn tops(&self, chain: &Chain, order: &[BlockHash]) -> Vec<u32> {
        let (mut tops, mut bytes) = (vec![0], 0);
        for hash in order {
            let record = 8 + chain.bytes(*hash).len();
            if bytes > 0 && bytes + record >= self.layout.file_bytes_max {
                tops.push(0);
                bytes = 0;
            }
            bytes += record;
            let top = tops.last_mut().unwrap();
            *top = chain.height(*hash).max(*top);
        }
        tops
    }
}
