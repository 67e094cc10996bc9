//! Which chain of the header tree has the most work.
//!
//! Invariant: one pass over the nodes decides, whatever the shape of the tree and the order in which
//! blocks came; no recursion, no stack.

use super::arena::{BELOW, BEST, CONNECTED, DERIVED, EXCLUDED, GHOST, INVALID, NONE};
use super::headers::{Aside, Best, Counts, HeaderTree, NodeId, Root};
use crate::primitives::position::Height;
use crate::primitives::pow::work_of;

impl HeaderTree<'_> {
    /// Finds the chain with the most work among those whose blocks are all present, or known, from the root on;
    /// of equal ones the one whose tip came first (as Bitcoin Core keeps the first seen). `None` if
    /// the genesis block itself is missing. One pass over the tree, whatever its shape.
    ///
    /// Work is summed in 128 bits. A block's is capped at 2^95, which 2^32 blocks cannot overflow;
    /// mainnet's blocks are at 2^79 each.
    pub fn best(&mut self) -> Option<Best> {
        for id in 0..self.arena.len() {
            self.node_mut(id).bytes_flags &= !DERIVED;
        }
        self.is_best_known = true;
        let root = self.root_id;
        let missing = self.is_missing(root) || self.node(root).is(INVALID);
        let best = (!missing).then(|| self.walk(root, CONNECTED));
        if let Some(best) = best {
            self.mark_path(best.node.0);
        }
        if let Some(start) = self.below_anchor_start() {
            self.walk(start, BELOW);
        }
        self.count();
        best
    }

    /// Goes through the descendants of `start`, each parent before its children, without a stack:
    /// work is added on the way down and taken off on the way up. Flags what it passes, and returns
    /// the block with the most work.
    fn walk(&mut self, start: u32, flag: u32) -> Best {
        let root_height = match self.root {
            Root::Genesis(_) => 0,
            Root::Anchor { height, .. } => height.0,
        };
        let mut memo = WorkMemo::default();
        let mut work = 0;
        let mut best = Best {
            height: Height(root_height),
            node: NodeId(start),
            work,
        };
        let (mut at, mut height) = (start, root_height);
        self.node_mut(start).bytes_flags |= flag;
        loop {
            let mut next = self.arena.first_block(self.node(at).child);
            if next == NONE {
                while at != start && next == NONE {
                    work -= memo.work_of(self.node(at).bits);
                    height -= 1;
                    next = self.arena.first_block(self.node(at).sibling);
                    at = self.node(at).parent;
                }
                if next == NONE {
                    return best;
                }
            }
            work += memo.work_of(self.node(next).bits);
            height += 1;
            let excluded = self.enter(next, at, flag);
            let leads = work > best.work || (work == best.work && next < best.node.0);
            if leads && !excluded {
                best = Best {
                    height: Height(height),
                    node: NodeId(next),
                    work,
                };
            }
            at = next;
        }
    }

    /// Flags `id` as passed, and as excluded if it or its parent is; returns the latter.
    fn enter(&mut self, id: u32, parent: u32, flag: u32) -> bool {
        let excluded = self.node(id).is(INVALID) || self.node(parent).is(EXCLUDED);
        self.node_mut(id).bytes_flags |= flag | if excluded { EXCLUDED } else { 0 };
        excluded
    }

    /// Flags the chain from the root to `tip`, and puts each of its blocks first among its
    /// siblings, so that it can be followed upwards.
    fn mark_path(&mut self, tip: u32) {
        let mut id = tip;
        loop {
            self.node_mut(id).bytes_flags |= BEST;
            if id == self.root_id {
                return;
            }
            let parent = self.node(id).parent;
            self.arena.put_first(id, parent);
            id = parent;
        }
    }

    /// The parent that the genesis block names (all zeros), if a block names it and the chain
    /// begins higher up.
    fn below_anchor_start(&self) -> Option<u32> {
        let id = self.arena.find(&[0; 32])?;
        let ghost = id != self.root_id && self.node(id).is(GHOST);
        (ghost && matches!(self.root, Root::Anchor { .. })).then_some(id)
    }

    fn count(&mut self) {
        let mut counts = Counts {
            stale: 0,
            orphans: 0,
            invalid: 0,
            below_anchor: 0,
            ..self.counts
        };
        for (_, aside, _) in self.asides() {
            match aside {
                Aside::Stale => counts.stale += 1,
                Aside::Orphan => counts.orphans += 1,
                Aside::Invalid => counts.invalid += 1,
                Aside::BelowAnchor => counts.below_anchor += 1,
            }
        }
        counts.tips = self.tips().count() as u32;
        self.counts = counts;
    }
}

/// Work by compact target, for the last few targets: neighbouring blocks share theirs, and the
/// division is slow.
#[derive(Default)]
struct WorkMemo([(u32, u128); 16]);

impl WorkMemo {
    fn work_of(&mut self, bits: u32) -> u128 {
        let slot = &mut self.0[(bits.wrapping_mul(0x9e37_79b9) >> 28) as usize];
        if slot.0 != bits {
            *slot = (bits, work_of(bits));
        }
        slot.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::position::Place;

    /// Blocks of a random tree: parent and target of each; 1000 and above are missing.
    struct Model {
        blocks: Vec<(u32, u32)>,
        order: Vec<u32>,
        marked: Vec<bool>,
    }

    impl Model {
        fn new(mut next: impl FnMut(u32) -> u32, marks: bool) -> Model {
            let count = 2 + next(40);
            let mut blocks = vec![(999, 0x207f_ffff)];
            let mut order: Vec<u32> = (0..count).collect();
            let mut marked = vec![false];
            for n in 1..count {
                let missing = next(12) == 0;
                let parent = if missing {
                    1000 + next(3)
                } else {
                    n - 1 - next(n.min(4))
                };
                blocks.push((parent, [0x207f_ffff, 0x2001_4000][next(2) as usize]));
                marked.push(marks && next(8) == 0);
                order.swap(n as usize, next(n + 1) as usize);
            }
            Model {
                blocks,
                order,
                marked,
            }
        }

        /// The blocks from the root to `n`; `None` if one is missing.
        fn path(&self, mut n: u32) -> Option<Vec<u32>> {
            let mut path = vec![n];
            while n != 0 {
                n = self.blocks.get(n as usize)?.0;
                path.push(n);
            }
            path.reverse();
            (path.iter().all(|&n| n < 999)).then_some(path)
        }

        fn work(&self, path: &[u32]) -> u128 {
            path[1..]
                .iter()
                .map(|&n| work_of(self.blocks[n as usize].1))
                .sum()
        }

        fn is_excluded(&self, path: &[u32]) -> bool {
            path.iter().any(|&n| self.marked[n as usize])
        }

        /// The first seen of the paths with the most work.
        fn best(&self) -> Vec<u32> {
            let paths = self.order.iter().filter_map(|&n| self.path(n));
            let mut best = vec![0];
            for path in paths.filter(|path| !self.is_excluded(path)) {
                if self.work(&path) > self.work(&best) {
                    best = path;
                }
            }
            best
        }
    }

    fn hash(n: u32) -> [u8; 32] {
        let mut hash = [1; 32];
        hash[..4].copy_from_slice(&n.to_le_bytes());
        hash
    }

    #[test]
    fn random_trees_agree_with_a_plain_model() {
        let mut state = 1u64;
        let mut next = move |below: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            ((state >> 33) % u64::from(below)) as u32
        };
        let mut arena = vec![0; HeaderTree::bytes_for(100) as usize];
        for round in 0..2000 {
            let model = Model::new(&mut next, round % 2 == 1);
            let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
            for &n in &model.order {
                let (parent, bits) = model.blocks[n as usize];
                let place = Place {
                    file: n,
                    offset_bytes: 8,
                    bytes: 81,
                };
                tree.insert(&hash(n), &hash(parent), bits, place)
                    .expect("room");
                if next(9) == 0 {
                    tree.best();
                }
            }
            for (n, _) in (0..).zip(&model.marked).filter(|(_, marked)| **marked) {
                assert!(tree.mark_invalid(&hash(n)));
            }
            let best = tree.best().expect("genesis");
            let chain: Vec<u32> = tree.best_chain().map(|block| block.place.file).collect();
            assert_eq!(best.work, model.work(&model.best()));
            assert_eq!(best.work, model.work(&chain));
            assert_eq!(chain.len() as u32, best.height.0 + 1);
            if round % 2 == 0 {
                assert_eq!(chain, model.best());
            }
            assert_eq!(tree.asides().count() + chain.len(), model.blocks.len());
            for (_, aside, place) in tree.asides() {
                let expected = match model.path(place.file) {
                    Some(path) if model.is_excluded(&path) => Aside::Invalid,
                    Some(_) => Aside::Stale,
                    None => Aside::Orphan,
                };
                assert_eq!(aside, expected);
            }
        }
    }

    #[test]
    fn work_is_that_of_bitcoin_core() {
        // `getblockheader` of mainnet's block 1: chainwork 0x200020002 for two blocks.
        assert_eq!(work_of(0x1d00_ffff) * 2, 0x2_0002_0002);
        assert_eq!(work_of(0x207f_ffff), 2);
        assert_eq!(work_of(0x0101_0000), 1 << 95);
        assert_eq!(work_of(0), 0);
    }
}
