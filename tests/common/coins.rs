//! Chains that begin with coins to spend.
//!
//! Invariant: no output of a coinbase is spent before it has [`MATURITY_BLOCKS`] confirmations.

use bitcoin::OutPoint;

use super::chain::{Chain, Plan, SUBSIDY_SAT};
use super::parts::{Kind, output_of, owner, script, spend};

/// Confirmations that an output of a coinbase needs to be spent (Bitcoin Core,
/// `consensus/consensus.h`: `COINBASE_MATURITY`).
pub const MATURITY_BLOCKS: u32 = 100;

impl Plan {
    /// Its coinbase makes nothing that can be spent.
    pub fn without_coins() -> Plan {
        Plan {
            pay: Some(vec![(script(Kind::OpReturn, 0), SUBSIDY_SAT)]),
            ..Plan::default()
        }
    }
}

impl Chain {
    /// So many coins that may be spent at once, one in each of the last blocks, paid to the owners 1,
    /// 2, 3... They are no coinbase's, and what else was made is spent.
    pub fn of_coins(count: u64) -> Chain {
        let mut chain = Chain::new();
        let share_sat = SUBSIDY_SAT / count;
        let shares = (1..=count).map(|number| (owner(number), share_sat));
        let source = chain.grow_with(Plan {
            pay: Some(shares.clone().collect()),
            ..Plan::default()
        });
        chain.ripen();
        let source = chain.coin(source);
        for (share, vout) in shares.zip(0..) {
            let coin = OutPoint { vout, ..source };
            chain.grow_with(Plan {
                txs: vec![spend(&[coin], &[share])],
                ..Plan::without_coins()
            });
        }
        chain
    }

    /// The coin of this number, of a chain that began with [`Chain::of_coins`].
    pub fn nth_coin(&self, number: u32) -> OutPoint {
        let block = self.block(self.best()[(MATURITY_BLOCKS + number) as usize]);
        output_of(&block.txdata[1], 0)
    }

    /// Blocks without coins on the best chain, so many that the next block, and none before it, may spend
    /// the coinbase of the tip.
    pub fn ripen(&mut self) {
        self.grow_without_coins(MATURITY_BLOCKS - 1);
    }

    /// So many blocks on the best chain that leave the coins as they are, in the smallest table too.
    pub fn grow_without_coins(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.grow_with(Plan::without_coins());
        }
    }
}
