//! What the tree of headers says of its chains, once the best one is known.
//!
//! Invariant: nothing is said before [`HeaderTree::best`] has run after the last change.

use super::arena::{BELOW, BEST, CONNECTED, COPY, EXCLUDED, GHOST, KNOWN, NONE, Node};
use super::headers::{Aside, ChainBlock, Counts, HeaderTree, NodeId, Root};
use crate::primitives::position::{Height, Place};

impl HeaderTree<'_> {
    /// The best chain by height: from the genesis block on, or from the block above the anchor, as far as the
    /// files have its blocks.
    pub fn best_chain(&self) -> impl Iterator<Item = ChainBlock> + '_ {
        self.assert_best_known();
        let (first, height) = match self.root {
            Root::Genesis(_) => (self.root_id, 0),
            Root::Anchor { height, .. } => (self.node(self.root_id).child, height.0 + 1),
        };
        let on_best = |id: u32| (id != NONE && self.node(id).is(BEST)).then_some(id);
        let ids = std::iter::successors(on_best(first), move |&id| on_best(self.node(id).child));
        let all = ids.zip(height..);
        let in_files = all.filter(|(id, _)| self.node(*id).is_in_files());
        in_files.map(|(id, height)| {
            let (height, place, node) = (Height(height), self.node(id).place(), NodeId(id));
            ChainBlock {
                height,
                place,
                node,
            }
        })
    }

    /// The blocks that are not on the best chain, in the order they came.
    pub fn asides(&self) -> impl Iterator<Item = (NodeId, Aside, Place)> + '_ {
        self.assert_best_known();
        (0..self.arena.len()).filter_map(|id| {
            let node = self.node(id);
            if node.is(GHOST | KNOWN | COPY | BEST) {
                return None;
            }
            Some((NodeId(id), self.aside(node), node.place()))
        })
    }

    /// The blocks without a child that compete for being the tip, the best among them.
    pub fn tips(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.assert_best_known();
        (0..self.arena.len())
            .filter(|&id| self.is_tip(id))
            .map(NodeId)
    }

    /// The blocks that wait for a missing parent, not counting what follows them, in the order they came.
    pub fn orphan_roots(&self) -> impl Iterator<Item = Place> + '_ {
        let waits = |(id, aside, _): &(NodeId, Aside, Place)| {
            let parent = self.node(id.0).parent;
            *aside == Aside::Orphan && (parent == NONE || self.is_missing(parent))
        };
        self.asides().filter(waits).map(|(_, _, place)| place)
    }

    /// The first of them.
    pub fn first_orphan(&self) -> Option<Place> {
        self.orphan_roots().next()
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        self.assert_best_known();
        self.counts
    }

    /// Whether the block is on the best chain.
    pub fn is_on_best(&self, node: NodeId) -> bool {
        self.assert_best_known();
        self.node(node.0).is(BEST)
    }

    /// Height of a connected block, by walking down to the root.
    pub fn height(&self, node: NodeId) -> Option<Height> {
        self.assert_best_known();
        let mut height = match self.root {
            Root::Genesis(_) => 0,
            Root::Anchor { height, .. } => height.0,
        };
        let mut id = node.0;
        if !self.node(id).is(CONNECTED) {
            return None;
        }
        while id != self.root_id {
            id = self.node(id).parent;
            height += 1;
        }
        Some(Height(height))
    }

    /// Whether the block, or one below it, was marked invalid.
    pub fn is_excluded(&self, node: NodeId) -> bool {
        self.assert_best_known();
        self.node(node.0).is(EXCLUDED)
    }

    /// Height of a block of the best chain; `None` for any other.
    pub fn height_on_best(&self, node: NodeId) -> Option<Height> {
        self.is_on_best(node).then(|| self.height(node)).flatten()
    }

    /// Height of the last block that a connected block's chain shares with the best one.
    pub fn leaves_best_at(&self, node: NodeId) -> Option<Height> {
        let mut height = self.height(node)?;
        let mut id = node.0;
        while !self.is_on_best(NodeId(id)) {
            if id == self.root_id {
                return None;
            }
            id = self.node(id).parent;
            height = Height(height.0 - 1);
        }
        Some(height)
    }

    fn aside(&self, node: &Node) -> Aside {
        match () {
            () if node.is(BELOW) => Aside::BelowAnchor,
            // Be it marked invalid or not: what it lacks comes first.
            () if !node.is(CONNECTED) => Aside::Orphan,
            () if node.is(EXCLUDED) => Aside::Invalid,
            () => Aside::Stale,
        }
    }

    fn is_tip(&self, id: u32) -> bool {
        let node = self.node(id);
        let competes = node.is(CONNECTED) && !node.is(EXCLUDED);
        competes && self.arena.first_block(node.child) == NONE
    }

    fn assert_best_known(&self) {
        assert!(
            self.is_best_known,
            "best() was called after the last insertion"
        );
    }
}
