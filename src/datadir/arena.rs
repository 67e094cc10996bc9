//! The memory of the header tree: nodes, and the buckets that find them by the hash of a block.
//!
//! Invariant: every node but the copies is in exactly one bucket, found from its key; a quarter of
//! the buckets stays empty, so a search ends.
//!
//! Memory: the caller's, [`NODE_BYTES`] a node and 4/3 of 4 bytes for its bucket; no heap.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::primitives::consensus::BLOCK_BYTES_MAX;
use crate::primitives::position::Place;
use bytemuck::{Pod, Zeroable};

/// Most headers that a scan holds: over three times what testnet3, the longest chain, has (4.8 M).
/// Bounds the part of a large arena that is touched before the scan.
pub(super) const HEADERS_MAX: usize = 1 << 24;

/// Bytes of the arena that one header takes, buckets apart.
pub const NODE_BYTES: usize = 36;

pub(super) const NONE: u32 = u32::MAX;

/// Bits of `bytes_flags` that are the block's length; the flags lie above.
const BYTES_MASK: u32 = (1 << 22) - 1;
const _: () = assert!(BLOCK_BYTES_MAX <= BYTES_MASK);

/// Named as a parent, but not (yet) seen itself.
pub(super) const GHOST: u32 = 1 << 22;
/// Not a block of its own: a further place of its parent node's block.
pub(super) const COPY: u32 = 1 << 23;
/// Marked by the caller.
pub(super) const INVALID: u32 = 1 << 24;
/// Marked, or descends from a marked one.
pub(super) const EXCLUDED: u32 = 1 << 25;
/// All blocks from the root to it are present.
pub(super) const CONNECTED: u32 = 1 << 26;
/// On the best chain.
pub(super) const BEST: u32 = 1 << 27;
/// Leads back to the genesis block, but does not descend from the anchor.
pub(super) const BELOW: u32 = 1 << 28;
/// In no file, but known with its header: whoever asks has it.
pub(super) const KNOWN: u32 = 1 << 29;
/// What [`HeaderTree::best`] works out anew.
pub(super) const DERIVED: u32 = EXCLUDED | CONNECTED | BEST | BELOW;

/// A block's links. Children hang in a list from `child` through `sibling`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Node {
    pub(super) key: [u32; 2],
    pub(super) parent: u32,
    pub(super) child: u32,
    pub(super) sibling: u32,
    pub(super) bits: u32,
    pub(super) file: u32,
    pub(super) offset: u32,
    pub(super) bytes_flags: u32,
}
const _: () = assert!(size_of::<Node>() == NODE_BYTES);

impl Node {
    pub(super) fn ghost(key: [u32; 2]) -> Node {
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

    /// Whether a file has the block.
    pub(super) fn is_in_files(&self) -> bool {
        !self.is(GHOST | KNOWN)
    }

    pub(super) fn is(&self, flag: u32) -> bool {
        self.bytes_flags & flag != 0
    }

    pub(super) fn place(&self) -> Place {
        let bytes = self.bytes_flags & BYTES_MASK;
        Place {
            file: self.file,
            offset_bytes: u64::from(self.offset),
            bytes,
        }
    }

    pub(super) fn set_place(&mut self, place: Place) {
        assert!(place.bytes <= BLOCK_BYTES_MAX);
        self.file = place.file;
        self.offset = u32::try_from(place.offset_bytes).expect("files end at BLOCK_FILE_BYTES_MAX");
        self.bytes_flags = (self.bytes_flags & !BYTES_MASK) | place.bytes;
    }
}

/// Nodes by their number, from 0 on; the buckets hold numbers.
pub(super) struct Arena<'a> {
    nodes: &'a mut [Node],
    buckets: &'a mut [u32],
    len: u32,
    sip: RandomState,
}

impl<'a> Arena<'a> {
    /// Bytes that hold `headers` headers.
    pub(super) fn bytes_for(headers: u64) -> u64 {
        // A few more for the root, a missing parent, and to align.
        let nodes = headers + 4;
        nodes * NODE_BYTES as u64 + (nodes * 4).div_ceil(3) * 4 + 16
    }

    /// No nodes, in these bytes; of more than [`HEADERS_MAX`] need, only that part is used.
    pub(super) fn new(bytes: &'a mut [u8]) -> Arena<'a> {
        let (_, words, _) = bytemuck::pod_align_to_mut::<u8, u32>(bytes);
        // A node and 4/3 of a bucket, in words of 4 bytes: (9 + 4/3) n <= words.
        let capacity = (words.len() * 3 / 31).min(HEADERS_MAX);
        // Below four nodes the buckets could fill up.
        assert!(capacity >= 4, "the arena holds a few headers");
        let (nodes, rest) = words.split_at_mut(capacity * (NODE_BYTES / 4));
        let buckets = &mut rest[..capacity * 4 / 3];
        buckets.fill(NONE);
        Arena {
            nodes: bytemuck::cast_slice_mut(nodes),
            buckets,
            len: 0,
            sip: RandomState::new(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The node of a hash, if there is one.
    pub(super) fn find(&self, hash: &[u8; 32]) -> Option<u32> {
        let id = self.buckets[self.bucket_of(self.key_of(hash))];
        (id != NONE).then_some(id)
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(super) fn children(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let first = Some(self.node(id).child).filter(|&id| id != NONE);
        std::iter::successors(first, |&id| {
            Some(self.node(id).sibling).filter(|&id| id != NONE)
        })
    }

    pub(super) fn key_of(&self, hash: &[u8; 32]) -> [u32; 2] {
        let mut hasher = self.sip.build_hasher();
        hasher.write(hash);
        let key = hasher.finish();
        [key as u32, (key >> 32) as u32]
    }

    /// The bucket that holds the node of that key, or the empty one where it belongs. A quarter of
    /// the buckets stays empty, so there is one.
    pub(super) fn bucket_of(&self, key: [u32; 2]) -> usize {
        let buckets = self.buckets.len();
        let mut at = ((u64::from(key[1]) * buckets as u64) >> 32) as usize;
        while self.buckets[at] != NONE && self.node(self.buckets[at]).key != key {
            at = if at + 1 == buckets { 0 } else { at + 1 };
        }
        at
    }

    /// The node of a hash; a ghost is made if there is none. The caller has checked the room.
    pub(super) fn find_or_add(&mut self, hash: &[u8; 32]) -> u32 {
        let key = self.key_of(hash);
        let bucket = self.bucket_of(key);
        if self.buckets[bucket] == NONE {
            self.buckets[bucket] = self.push(Node::ghost(key));
        }
        self.buckets[bucket]
    }

    pub(super) fn push(&mut self, node: Node) -> u32 {
        let id = self.len;
        *self.node_mut(id) = node;
        self.len += 1;
        id
    }

    pub(super) fn hang(&mut self, id: u32, parent: u32) {
        let sibling = std::mem::replace(&mut self.node_mut(parent).child, id);
        let node = self.node_mut(id);
        node.parent = parent;
        node.sibling = sibling;
    }

    /// The first of a list of children that is a block of its own.
    pub(super) fn first_block(&self, mut id: u32) -> u32 {
        while id != NONE && self.node(id).is(COPY) {
            id = self.node(id).sibling;
        }
        id
    }

    /// Puts a child of `parent` first among its siblings.
    pub(super) fn put_first(&mut self, id: u32, parent: u32) {
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
}
