//! The tree of headers: which block follows which, and which chain has the most work.
//!
//! Invariant: a block has one node, however often and in whatever order it comes; a node is on the
//! best chain only if all blocks from the root to it are present and none was marked invalid.
//!
//! Memory: the caller's arena, [`NODE_BYTES`] a header and 4 bytes a bucket, fixed; no heap.
//!
//! Blocks are known by a keyed 64-bit SipHash of their hash, with a fresh key each run, so nobody
//! can make two blocks collide; by accident it happens to 5 million blocks once in a million runs.

use std::hash::{BuildHasher, Hasher, RandomState};

use bitcoin::{Target, Work};

use super::records::target_of;
use crate::limits::{BLOCK_BYTES_MAX, HEADERS_MAX};
use crate::position::{Height, Place};
use crate::{Error, Result};

/// Bytes of the arena that one header takes, buckets apart.
pub const NODE_BYTES: usize = 36;

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Bits of `bytes_flags` that are the block's length; the flags lie above.
const BYTES_MASK: u32 = (1 << 22) - 1;
const _: () = assert!(BLOCK_BYTES_MAX <= BYTES_MASK);

/// Named as a parent, but not (yet) seen itself.
const GHOST: u32 = 1 << 22;
/// Not a block of its own: a further place of its parent node's block.
const COPY: u32 = 1 << 23;
/// Marked by the caller.
const INVALID: u32 = 1 << 24;
/// Marked, or descends from a marked one.
const EXCLUDED: u32 = 1 << 25;
/// All blocks from the root to it are present.
const CONNECTED: u32 = 1 << 26;
/// On the best chain.
const BEST: u32 = 1 << 27;
/// Leads back to the genesis block, but does not descend from the anchor.
const BELOW: u32 = 1 << 28;
/// What [`HeaderTree::best`] works out anew.
const DERIVED: u32 = EXCLUDED | CONNECTED | BEST | BELOW;

/// A block's links. Children hang in a list from `child` through `sibling`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Node {
    key: [u32; 2],
    parent: u32,
    child: u32,
    sibling: u32,
    bits: u32,
    file: u32,
    offset: u32,
    bytes_flags: u32,
}
const _: () = assert!(size_of::<Node>() == NODE_BYTES);

impl Node {
    fn ghost(key: [u32; 2]) -> Node {
        let (parent, child, sibling) = (NONE, NONE, NONE);
        Node {
            key,
            parent,
            child,
            sibling,
            bits: 0,
            file: 0,
            offset: 0,
            bytes_flags: GHOST,
        }
    }

    fn is(&self, flag: u32) -> bool {
        self.bytes_flags & flag != 0
    }

    fn place(&self) -> Place {
        let bytes = self.bytes_flags & BYTES_MASK;
        Place {
            file: self.file,
            offset_bytes: u64::from(self.offset),
            bytes,
        }
    }

    fn set_place(&mut self, place: Place) {
        assert!(place.bytes <= BLOCK_BYTES_MAX);
        self.file = place.file;
        self.offset = u32::try_from(place.offset_bytes).expect("files end at BLOCK_FILE_BYTES_MAX");
        self.bytes_flags = (self.bytes_flags & !BYTES_MASK) | place.bytes;
    }
}

/// Where the chain must begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// At the genesis block of that hash, which must be found like any other.
    Genesis([u8; 32]),
    /// Above a block that is known already, and need not be found.
    Anchor {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: [u8; 32],
    },
}

/// A header in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeId(u32);

/// What an insertion found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// A block not seen before.
    New,
    /// A block seen before; its further place is kept too.
    Duplicate,
}

/// The tip with the most work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Best {
    /// Its height; the anchor's if nothing is above it.
    pub height: Height,
    /// Its node.
    pub node: NodeId,
    /// Work of the blocks above the root.
    pub work: u128,
}

/// A block of the best chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainBlock {
    /// Its height.
    pub height: Height,
    /// Where it was found first.
    pub place: Place,
    /// Its node, to ask for [`HeaderTree::copies`].
    pub node: NodeId,
}

/// Why a block is not on the best chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aside {
    /// Another chain has more work, or was seen first.
    Stale,
    /// A block between the root and it is missing.
    Orphan,
    /// It, or a block below it, was marked invalid.
    Invalid,
    /// It leads back to the genesis block, not to the anchor.
    BelowAnchor,
}

/// How many there are of what, as of the last [`HeaderTree::best`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Different blocks.
    pub headers: u32,
    /// Further copies of blocks.
    pub duplicates: u32,
    /// Blocks that came before their parent.
    pub out_of_order: u32,
    /// Blocks with all ancestors present, aside the best chain.
    pub stale: u32,
    /// Blocks with an ancestor missing.
    pub orphans: u32,
    /// Blocks marked invalid, and their descendants.
    pub invalid: u32,
    /// Blocks that lead to the genesis block past the anchor.
    pub below_anchor: u32,
    /// Blocks without a child among those of the tree that are connected and not invalid: the best
    /// tip and its competitors.
    pub tips: u32,
}

/// The tree, in the arena given to it.
pub struct HeaderTree<'a> {
    nodes: &'a mut [Node],
    buckets: &'a mut [u32],
    len: u32,
    sip: RandomState,
    root: Root,
    counts: Counts,
    /// `best` has run since the last change.
    settled: bool,
}

impl<'a> HeaderTree<'a> {
    /// Bytes of arena that hold `headers` headers.
    pub fn bytes_for(headers: u64) -> u64 {
        // Two more for the root and a missing parent, and room to align.
        (headers + 4) * NODE_BYTES as u64 + ((headers + 4) * 4).div_ceil(3) * 4 + 16
    }

    /// An empty tree. Of an arena that would hold more than [`HEADERS_MAX`] headers only that part
    /// is used. Whatever the arena held is lost.
    pub fn new(arena: &'a mut [u8], root: Root) -> HeaderTree<'a> {
        let words = words_of(arena);
        // A node and 4/3 of a bucket, in words of 4 bytes: (9 + 4/3) n <= words.
        let capacity = (words.len() * 3 / 31).min(HEADERS_MAX);
        // Below four nodes the buckets could fill up.
        assert!(capacity >= 4, "the arena holds a few headers");
        let (nodes, rest) = words.split_at_mut(capacity * (NODE_BYTES / 4));
        let buckets = &mut rest[..capacity * 4 / 3];
        buckets.fill(NONE);
        let mut tree = HeaderTree {
            nodes: nodes_of(nodes),
            buckets,
            len: 0,
            sip: RandomState::new(),
            root,
            counts: Counts::default(),
            settled: false,
        };
        let (Root::Genesis(hash) | Root::Anchor { hash, .. }) = root;
        tree.find_or_add(&hash);
        tree
    }

    /// Where the chain begins.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Headers that fit.
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a block: its hash and its parent's in internal byte order, its compact target, and where
    /// it is. Parents may come later than their children.
    ///
    /// # Errors
    /// [`Error::HeaderArenaFull`], with twice the arena as what would do.
    pub fn insert(
        &mut self,
        hash: &[u8; 32],
        prev_hash: &[u8; 32],
        bits: u32,
        place: Place,
    ) -> Result<Inserted> {
        if self.len as usize + 2 > self.nodes.len() {
            let headers = self.nodes.len() as u64;
            let (arena_bytes, needed_bytes) =
                (Self::bytes_for(headers), Self::bytes_for(headers * 2));
            return Err(Error::HeaderArenaFull {
                headers,
                arena_bytes,
                needed_bytes,
            });
        }
        self.settled = false;
        let id = self.find_or_add(hash);
        if !self.node(id).is(GHOST) {
            self.add_copy(id, place);
            return Ok(Inserted::Duplicate);
        }
        let node = self.node_mut(id);
        node.bits = bits;
        node.bytes_flags &= !GHOST;
        node.set_place(place);
        self.counts.headers += 1;
        if id != ROOT {
            let parent = self.find_or_add(prev_hash);
            // The genesis block has no parent that could come.
            let late = self.is_missing(parent) && *prev_hash != [0; 32];
            self.counts.out_of_order += u32::from(late);
            self.hang(id, parent);
        }
        Ok(Inserted::New)
    }

    /// Excludes a block and its descendants; says whether it is known.
    pub fn mark_invalid(&mut self, hash: &[u8; 32]) -> bool {
        let found = self.find(hash);
        if let Some(NodeId(id)) = found {
            self.node_mut(id).bytes_flags |= INVALID;
            self.settled = false;
        }
        found.is_some()
    }

    /// The block of that hash, if it was inserted (or is the anchor).
    pub fn find(&self, hash: &[u8; 32]) -> Option<NodeId> {
        let id = self.buckets[self.bucket_of(self.key_of(hash))];
        (id != NONE && !self.is_missing(id)).then_some(NodeId(id))
    }

    /// Finds the chain with the most work among those whose blocks are all present from the root on;
    /// of equal ones the one whose tip came first (as Bitcoin Core keeps the first seen). `None` if
    /// the genesis block itself is missing. One pass over the tree, whatever its shape.
    ///
    /// Work is summed in 128 bits. A block's is capped at 2^95, which 2^32 blocks cannot overflow;
    /// mainnet's blocks are at 2^79 each.
    pub fn best(&mut self) -> Option<Best> {
        for node in &mut self.nodes[..self.len as usize] {
            node.bytes_flags &= !DERIVED;
        }
        self.settled = true;
        let missing = self.is_missing(ROOT) || self.node(ROOT).is(INVALID);
        let best = (!missing).then(|| self.walk(ROOT, CONNECTED));
        if let Some(best) = best {
            self.mark_path(best.node.0);
        }
        if let Some(start) = self.below_anchor_start() {
            self.walk(start, BELOW);
        }
        self.count();
        best
    }

    /// The best chain by height: from the genesis block on, or from the block above the anchor.
    pub fn best_chain(&self) -> impl Iterator<Item = ChainBlock> + '_ {
        assert!(self.settled, "best() was called after the last insertion");
        let (first, height) = match self.root {
            Root::Genesis(_) => (ROOT, 0),
            Root::Anchor { height, .. } => (self.node(ROOT).child, height.0 + 1),
        };
        let on_best = |id: u32| (id != NONE && self.node(id).is(BEST)).then_some(id);
        let ids = std::iter::successors(on_best(first), move |&id| on_best(self.node(id).child));
        ids.zip(height..).map(|(id, height)| {
            let (height, place, node) = (Height(height), self.node(id).place(), NodeId(id));
            ChainBlock {
                height,
                place,
                node,
            }
        })
    }

    /// The further places of a block, latest first.
    pub fn copies(&self, node: NodeId) -> impl Iterator<Item = Place> + '_ {
        self.children(node.0)
            .map(|id| self.node(id))
            .filter(|n| n.is(COPY))
            .map(Node::place)
    }

    /// The blocks that are not on the best chain, in the order they came.
    pub fn asides(&self) -> impl Iterator<Item = (NodeId, Aside, Place)> + '_ {
        assert!(self.settled, "best() was called after the last insertion");
        (0..self.len).filter_map(|id| {
            let node = self.node(id);
            if node.is(GHOST | COPY | BEST) {
                return None;
            }
            Some((NodeId(id), self.aside(node), node.place()))
        })
    }

    /// The blocks without a child that compete for being the tip, the best among them.
    pub fn tips(&self) -> impl Iterator<Item = NodeId> + '_ {
        assert!(self.settled, "best() was called after the last insertion");
        (0..self.len).filter(|&id| self.is_tip(id)).map(NodeId)
    }

    /// A block that waits for its missing parent: the first that came.
    pub fn first_orphan(&self) -> Option<Place> {
        self.asides()
            .find(|(id, aside, _)| {
                let parent = self.node(id.0).parent;
                *aside == Aside::Orphan && (parent == NONE || self.is_missing(parent))
            })
            .map(|(_, _, place)| place)
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        assert!(self.settled, "best() was called after the last insertion");
        self.counts
    }

    /// Different blocks so far; needs no [`best`](Self::best).
    pub fn headers(&self) -> u32 {
        self.counts.headers
    }

    /// Blocks so far that came before their parent.
    pub fn out_of_order(&self) -> u32 {
        self.counts.out_of_order
    }

    /// Where the block was found first; `None` for an anchor that was not found.
    pub fn place(&self, node: NodeId) -> Option<Place> {
        let node = self.node(node.0);
        (!node.is(GHOST)).then(|| node.place())
    }

    /// Whether the block is on the best chain.
    pub fn is_on_best(&self, node: NodeId) -> bool {
        assert!(self.settled, "best() was called after the last insertion");
        self.node(node.0).is(BEST)
    }

    /// Height of a connected block, by walking down to the root.
    pub fn height(&self, node: NodeId) -> Option<Height> {
        assert!(self.settled, "best() was called after the last insertion");
        let mut height = match self.root {
            Root::Genesis(_) => 0,
            Root::Anchor { height, .. } => height.0,
        };
        let mut id = node.0;
        if !self.node(id).is(CONNECTED) {
            return None;
        }
        while id != ROOT {
            id = self.node(id).parent;
            height += 1;
        }
        Some(Height(height))
    }

    fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    /// Named as a parent, and not there; the anchor counts as there.
    fn is_missing(&self, id: u32) -> bool {
        let anchored = id == ROOT && matches!(self.root, Root::Anchor { .. });
        self.node(id).is(GHOST) && !anchored
    }

    fn children(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let first = Some(self.node(id).child).filter(|&id| id != NONE);
        std::iter::successors(first, |&id| {
            Some(self.node(id).sibling).filter(|&id| id != NONE)
        })
    }

    fn key_of(&self, hash: &[u8; 32]) -> [u32; 2] {
        let mut hasher = self.sip.build_hasher();
        hasher.write(hash);
        let key = hasher.finish();
        [key as u32, (key >> 32) as u32]
    }

    /// The bucket that holds the node of that key, or the empty one where it belongs. A quarter of
    /// the buckets stays empty, so there is one.
    fn bucket_of(&self, key: [u32; 2]) -> usize {
        let buckets = self.buckets.len();
        let mut at = ((u64::from(key[1]) * buckets as u64) >> 32) as usize;
        while self.buckets[at] != NONE && self.node(self.buckets[at]).key != key {
            at = if at + 1 == buckets { 0 } else { at + 1 };
        }
        at
    }

    /// The node of a hash; a ghost is made if there is none. The caller has checked the room.
    fn find_or_add(&mut self, hash: &[u8; 32]) -> u32 {
        let key = self.key_of(hash);
        let bucket = self.bucket_of(key);
        if self.buckets[bucket] == NONE {
            self.buckets[bucket] = self.push(Node::ghost(key));
        }
        self.buckets[bucket]
    }

    fn push(&mut self, node: Node) -> u32 {
        let id = self.len;
        *self.node_mut(id) = node;
        self.len += 1;
        id
    }

    fn hang(&mut self, id: u32, parent: u32) {
        let sibling = std::mem::replace(&mut self.node_mut(parent).child, id);
        let node = self.node_mut(id);
        node.parent = parent;
        node.sibling = sibling;
    }

    /// Keeps a further place of a block, unless it is the one known.
    fn add_copy(&mut self, original: u32, place: Place) {
        if self.node(original).place() == place {
            return;
        }
        let mut copy = Node::ghost(self.node(original).key);
        copy.bytes_flags = COPY;
        copy.set_place(place);
        let id = self.push(copy);
        self.hang(id, original);
        self.counts.duplicates += 1;
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
            let mut next = self.first_block(self.node(at).child);
            if next == NONE {
                while at != start && next == NONE {
                    work -= memo.work_of(self.node(at).bits);
                    height -= 1;
                    next = self.first_block(self.node(at).sibling);
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

    /// The first of a list of children that is a block of its own.
    fn first_block(&self, mut id: u32) -> u32 {
        while id != NONE && self.node(id).is(COPY) {
            id = self.node(id).sibling;
        }
        id
    }

    /// Flags the chain from the root to `tip`, and puts each of its blocks first among its
    /// siblings, so that it can be followed upwards.
    fn mark_path(&mut self, tip: u32) {
        let mut id = tip;
        loop {
            self.node_mut(id).bytes_flags |= BEST;
            if id == ROOT {
                return;
            }
            let parent = self.node(id).parent;
            self.put_first(id, parent);
            id = parent;
        }
    }

    fn put_first(&mut self, id: u32, parent: u32) {
        let mut before = self.node(parent).child;
        if before == id {
            return;
        }
        while self.node(before).sibling != id {
            before = self.node(before).sibling;
        }
        self.node_mut(before).sibling = self.node(id).sibling;
        self.hang(id, parent);
    }

    /// The parent that the genesis block names (all zeros), if a block names it and the chain
    /// begins higher up.
    fn below_anchor_start(&self) -> Option<u32> {
        let id = self.buckets[self.bucket_of(self.key_of(&[0; 32]))];
        let ghost = id != NONE && id != ROOT && self.node(id).is(GHOST);
        (ghost && matches!(self.root, Root::Anchor { .. })).then_some(id)
    }

    fn aside(&self, node: &Node) -> Aside {
        match () {
            () if node.is(EXCLUDED | INVALID) => Aside::Invalid,
            () if node.is(CONNECTED) => Aside::Stale,
            () if node.is(BELOW) => Aside::BelowAnchor,
            () => Aside::Orphan,
        }
    }

    fn is_tip(&self, id: u32) -> bool {
        let node = self.node(id);
        let competes = node.is(CONNECTED) && !node.is(EXCLUDED);
        competes && self.first_block(node.child) == NONE
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

/// Expected hashes to find a block with that target (Bitcoin Core, `chain.cpp`: `GetBlockProof`), at
/// most 2^95; none for a target that no header may have.
fn work_of(bits: u32) -> u128 {
    let work = target_of(bits).map_or([0; 32], |target: Target| {
        Work::to_be_bytes(target.to_work())
    });
    let (high, low) = work.split_at(16);
    let low = u128::from_be_bytes(low.try_into().expect("half of 32 bytes"));
    if high.iter().any(|&byte| byte != 0) {
        1 << 95
    } else {
        low.min(1 << 95)
    }
}

/// The arena's aligned words.
fn words_of(arena: &mut [u8]) -> &mut [u32] {
    // SAFETY: every four bytes are a valid u32, and align_to_mut gives only aligned ones out.
    unsafe { arena.align_to_mut::<u32>().1 }
}

/// The words as nodes.
fn nodes_of(words: &mut [u32]) -> &mut [Node] {
    // SAFETY: a Node is nine u32 in C order (its size is asserted above), aligned as u32 is, and
    // every pattern of bits is a valid one.
    let (before, nodes, after) = unsafe { words.align_to_mut::<Node>() };
    assert!(before.is_empty());
    assert!(after.is_empty());
    nodes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const EASY: u32 = 0x207f_ffff;
    /// A hundred times the work.
    const HARD: u32 = 0x2001_4000;

    fn hash(n: u32) -> [u8; 32] {
        let mut hash = [7; 32];
        hash[..4].copy_from_slice(&n.to_le_bytes());
        hash
    }

    fn place(n: u32) -> Place {
        Place {
            file: n >> 16,
            offset_bytes: u64::from(n & 0xffff),
            bytes: 81,
        }
    }

    fn arena(headers: u64) -> Vec<u8> {
        vec![0xaa; HeaderTree::bytes_for(headers) as usize]
    }

    fn put(tree: &mut HeaderTree, n: u32, prev: u32, bits: u32) -> Inserted {
        tree.insert(&hash(n), &hash(prev), bits, place(n))
            .expect("room")
    }

    fn chain(tree: &HeaderTree) -> Vec<(u32, Place)> {
        tree.best_chain()
            .map(|block| (block.height.0, block.place))
            .collect()
    }

    fn chain_of(blocks: &[u32], from: u32) -> Vec<(u32, Place)> {
        (from..).zip(blocks.iter().map(|&n| place(n))).collect()
    }

    #[test]
    fn blocks_in_any_order_give_the_chain_with_the_most_work() {
        // 0-1-2-3 and 1-12-13(hard)
        let blocks = [
            (0, 999, EASY),
            (1, 0, EASY),
            (2, 1, EASY),
            (3, 2, EASY),
            (12, 1, EASY),
            (13, 12, HARD),
        ];
        for turn in 0..blocks.len() {
            let mut arena = arena(20);
            let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
            for i in 0..blocks.len() {
                let (n, prev, bits) = blocks[(i * 5 + turn) % blocks.len()];
                assert_eq!(put(&mut tree, n, prev, bits), Inserted::New);
            }
            let best = tree.best().expect("genesis is there");
            assert_eq!(best.height, Height(3));
            assert_eq!(chain(&tree), chain_of(&[0, 1, 12, 13], 0));
            let counts = tree.counts();
            assert_eq!(
                (counts.headers, counts.stale, counts.orphans, counts.tips),
                (6, 2, 0, 2)
            );
            let stale = tree.find(&hash(3)).expect("known");
            assert_eq!(tree.height(stale), Some(Height(3)));
            assert!(!tree.is_on_best(stale));
        }
    }

    #[test]
    fn of_equal_work_the_first_seen_wins() {
        for (first, second) in [(1, 2), (2, 1)] {
            let mut arena = arena(20);
            let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
            put(&mut tree, 0, 999, EASY);
            put(&mut tree, first, 0, EASY);
            put(&mut tree, second, 0, EASY);
            tree.best();
            assert_eq!(chain(&tree), chain_of(&[0, first], 0));
            put(&mut tree, 10 + second, second, EASY);
            tree.best();
            assert_eq!(chain(&tree), chain_of(&[0, second, 10 + second], 0));
        }
    }

    #[test]
    fn all_copies_of_a_block_are_kept() {
        let mut arena = arena(20);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        put(&mut tree, 0, 999, EASY);
        put(&mut tree, 1, 0, EASY);
        for copy in [50, 51] {
            let again = tree
                .insert(&hash(1), &hash(0), EASY, place(copy))
                .expect("room");
            assert_eq!(again, Inserted::Duplicate);
        }
        assert_eq!(put(&mut tree, 1, 0, EASY), Inserted::Duplicate);
        put(&mut tree, 2, 1, EASY);
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 1, 2], 0));
        let one = tree.best_chain().nth(1).expect("height 1").node;
        assert_eq!(tree.copies(one).collect::<Vec<_>>(), [place(51), place(50)]);
        let counts = tree.counts();
        assert_eq!((counts.duplicates, counts.headers, counts.tips), (2, 3, 1));
    }

    #[test]
    fn a_missing_block_ends_the_chain() {
        let mut arena = arena(20);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        for (n, prev) in [(0, 999), (1, 0), (3, 2), (4, 3)] {
            put(&mut tree, n, prev, HARD);
        }
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 1], 0));
        assert_eq!(tree.counts().orphans, 2);
        assert_eq!(tree.first_orphan(), Some(place(3)));
        put(&mut tree, 2, 1, EASY);
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 1, 2, 3, 4], 0));
        assert_eq!((tree.counts().orphans, tree.counts().out_of_order), (0, 1));
    }

    #[test]
    fn without_genesis_there_is_no_chain() {
        let mut arena = arena(20);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        put(&mut tree, 1, 0, EASY);
        assert_eq!(tree.best(), None);
        assert_eq!(tree.best_chain().count(), 0);
        assert_eq!(
            (tree.counts().orphans, tree.first_orphan()),
            (1, Some(place(1)))
        );
    }

    #[test]
    fn an_invalid_block_excludes_what_follows_it() {
        let mut arena = arena(20);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        for (n, prev) in [(0, 999), (1, 0), (2, 1), (3, 2), (11, 0)] {
            put(&mut tree, n, prev, EASY);
        }
        assert!(tree.mark_invalid(&hash(2)));
        assert!(!tree.mark_invalid(&hash(77)));
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 1], 0));
        assert_eq!(
            (
                tree.counts().invalid,
                tree.counts().stale,
                tree.counts().tips
            ),
            (2, 1, 1)
        );
        assert!(tree.mark_invalid(&hash(1)));
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 11], 0));
    }

    #[test]
    fn an_anchor_need_not_be_found_and_what_lies_below_is_no_orphan() {
        let mut arena = arena(20);
        let root = Root::Anchor {
            height: Height(5),
            hash: hash(5),
        };
        let mut tree = HeaderTree::new(&mut arena, root);
        assert_eq!(tree.best().expect("anchor").height, Height(5));
        assert_eq!(tree.best_chain().count(), 0);
        put(&mut tree, 6, 5, EASY);
        put(&mut tree, 7, 6, EASY);
        assert_eq!(tree.best().expect("anchor").height, Height(7));
        assert_eq!(chain(&tree), chain_of(&[6, 7], 6));
        // The files are read again from their beginning.
        tree.insert(&hash(0), &[0; 32], EASY, place(0))
            .expect("room");
        for n in 1..=5 {
            put(&mut tree, n, n - 1, EASY);
        }
        put(&mut tree, 14, 3, HARD);
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[6, 7], 6));
        let counts = tree.counts();
        assert_eq!(
            (counts.below_anchor, counts.orphans, counts.stale),
            (6, 0, 0)
        );
        assert_eq!(counts.out_of_order, 0);
    }

    #[test]
    fn a_full_arena_says_so_and_one_just_enough_is_enough() {
        for headers in [2, 10, 1000] {
            let mut arena = arena(headers);
            let mut tree = HeaderTree::new(&mut arena[1..], Root::Genesis(hash(0)));
            put(&mut tree, 0, 999, EASY);
            for n in 1..headers as u32 {
                put(&mut tree, n, n - 1, EASY);
            }
            let mut n = headers as u32;
            let full = loop {
                match tree.insert(&hash(n), &hash(n - 1), EASY, place(n)) {
                    Ok(_) => n += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(full, Error::HeaderArenaFull { .. }));
            assert!(n < headers as u32 + 8);
        }
    }

    #[test]
    fn loops_that_hashes_could_not_make_are_harmless() {
        let mut arena = arena(20);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        for (n, prev) in [(0, 0), (1, 2), (2, 1), (3, 3), (4, 0)] {
            put(&mut tree, n, prev, EASY);
        }
        tree.best();
        assert_eq!(chain(&tree), chain_of(&[0, 4], 0));
        assert_eq!((tree.counts().orphans, tree.first_orphan()), (3, None));
    }

    #[test]
    fn many_forks_and_copies_take_linear_time() {
        let began = Instant::now();
        let mut arena = arena(400_000);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        put(&mut tree, 0, 999_999, EASY);
        for n in 1..100_000 {
            put(&mut tree, n, n - 1, EASY);
        }
        for n in 100_000..200_000 {
            put(&mut tree, n, if n % 2 == 0 { 0 } else { n - 100_001 }, EASY);
            tree.insert(&hash(0), &hash(999_999), EASY, place(n))
                .expect("room");
        }
        assert_eq!(tree.best().expect("genesis").height, Height(99_999));
        assert_eq!(tree.counts().stale, 100_000);
        assert_eq!(tree.best_chain().count(), 100_000);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn work_is_that_of_bitcoin_core() {
        // `getblockheader` of mainnet's block 1: chainwork 0x200020002 for two blocks.
        assert_eq!(work_of(0x1d00_ffff) * 2, 0x2_0002_0002);
        assert_eq!(work_of(EASY), 2);
        assert_eq!(work_of(0x0101_0000), 1 << 95);
        assert_eq!(work_of(0), 0);
    }
}
