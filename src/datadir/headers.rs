//! The tree of headers: which block follows which, and which chain has the most work.
//!
//! Invariant: a block has one node, however often and in whatever order it comes; a node is on the
//! best chain only if all blocks from the root to it are present, or known otherwise, and none was marked
//! invalid.
//!
//! Memory: the caller's arena, fixed (see `arena`); no heap. What is best is worked out in `best`, and
//! asked for in `chains`.
//!
//! Blocks are known by a keyed 64-bit SipHash of their hash, with a fresh key each run, so nobody
//! can make two blocks collide; by accident it happens to 5 million blocks once in a million runs.

use super::arena::{Arena, COPY, GHOST, INVALID, KNOWN, Node};
use crate::datadir::Fault;
use crate::primitives::position::{Height, Place};

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
pub struct NodeId(pub(super) u32);

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

/// How many there are of what, as of when the best chain was last looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Different blocks.
    pub headers: u32,
    /// Further copies of blocks.
    pub duplicates: u32,
    /// Blocks that came before their parent, which came later.
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
    pub(super) arena: Arena<'a>,
    pub(super) root: Root,
    /// The node of the root.
    pub(super) root_id: u32,
    pub(super) counts: Counts,
    /// `best` has run since the last change.
    pub(super) is_best_known: bool,
}

impl<'a> HeaderTree<'a> {
    /// Bytes of arena that hold `headers` headers.
    pub fn bytes_for(headers: u64) -> u64 {
        Arena::bytes_for(headers)
    }

    /// An empty tree. Of an arena that would hold more than
    /// `HEADERS_MAX` (`arena`) headers only that part is used. Whatever the arena
    /// held is lost.
    pub fn new(arena: &'a mut [u8], root: Root) -> HeaderTree<'a> {
        let mut arena = Arena::new(arena);
        let (Root::Genesis(hash) | Root::Anchor { hash, .. }) = root;
        let root_id = arena.find_or_add(&hash);
        HeaderTree {
            arena,
            root,
            root_id,
            counts: Counts::default(),
            is_best_known: false,
        }
    }

    /// Where the chain begins.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Headers that fit.
    pub fn capacity(&self) -> usize {
        self.arena.capacity()
    }

    /// Adds a block: its hash and its parent's in internal byte order, its compact target, and where
    /// it is. Parents may come later than their children.
    ///
    /// # Errors
    /// [`crate::datadir::Fault::HeaderArenaFull`], with twice the arena as what would do.
    pub fn insert(
        &mut self,
        hash: &[u8; 32],
        prev_hash: &[u8; 32],
        bits: u32,
        place: Place,
    ) -> std::result::Result<Inserted, Fault> {
        self.expect_room()?;
        self.is_best_known = false;
        let id = self.arena.find_or_add(hash);
        if !self.node(id).is(GHOST) {
            self.add_copy(id, place);
            return Ok(Inserted::Duplicate);
        }
        let is_late = self.is_missing(id);
        let node = self.node_mut(id);
        node.bits = bits;
        node.bytes_flags &= !GHOST;
        node.set_place(place);
        self.counts.headers += 1;
        // Those that wait for a parent that never comes are orphans, not out of order.
        let waited = self.arena.children(id).count() as u32;
        self.counts.out_of_order += if is_late { waited } else { 0 };
        if id != self.root_id {
            let parent = self.arena.find_or_add(prev_hash);
            self.arena.hang(id, parent);
        }
        Ok(Inserted::New)
    }

    /// Lets the tree begin at a block that is known and in no file. No block is inserted after it.
    pub fn hang_from(&mut self, height: Height, hash: [u8; 32]) {
        self.root_id = self.arena.find_or_add(&hash);
        self.root = Root::Anchor { height, hash };
        self.is_best_known = false;
    }

    /// Adds a block that is known, unless a file has it. No block is inserted after it.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_known(
        &mut self,
        hash: &[u8; 32],
        prev_hash: &[u8; 32],
        bits: u32,
    ) -> std::result::Result<(), Fault> {
        self.expect_room()?;
        self.is_best_known = false;
        let id = self.arena.find_or_add(hash);
        if self.node(id).is(GHOST) {
            let node = self.node_mut(id);
            node.bits = bits;
            node.bytes_flags = (node.bytes_flags & !GHOST) | KNOWN;
            let parent = self.arena.find_or_add(prev_hash);
            self.arena.hang(id, parent);
        }
        Ok(())
    }

    /// Room for a block and its parent.
    fn expect_room(&self) -> std::result::Result<(), Fault> {
        if self.arena.len() as usize + 2 <= self.capacity() {
            return Ok(());
        }
        let headers = self.capacity() as u64;
        let (arena_bytes, needed_bytes) = (Self::bytes_for(headers), Self::bytes_for(headers * 2));
        Err(Fault::HeaderArenaFull {
            headers,
            arena_bytes,
            needed_bytes,
        })
    }

    /// Excludes a block and its descendants; says whether it is known.
    pub fn mark_invalid(&mut self, hash: &[u8; 32]) -> bool {
        let found = self.find(hash);
        if let Some(NodeId(id)) = found {
            self.node_mut(id).bytes_flags |= INVALID;
            self.is_best_known = false;
        }
        found.is_some()
    }

    /// The block of that hash, if it was inserted, is known, or is the anchor.
    pub fn find(&self, hash: &[u8; 32]) -> Option<NodeId> {
        self.arena
            .find(hash)
            .filter(|&id| !self.is_missing(id))
            .map(NodeId)
    }

    /// The further places of a block, latest first.
    pub fn copies(&self, node: NodeId) -> impl Iterator<Item = Place> + '_ {
        self.arena
            .children(node.0)
            .map(|id| self.node(id))
            .filter(|n| n.is(COPY))
            .map(Node::place)
    }

    /// Different blocks so far; needs no [`best`](Self::best).
    pub fn headers(&self) -> u32 {
        self.counts.headers
    }

    /// Blocks so far that came before their parent, which came later.
    pub fn out_of_order(&self) -> u32 {
        self.counts.out_of_order
    }

    /// Where the block was found first; `None` if no file has it.
    pub fn place(&self, node: NodeId) -> Option<Place> {
        let node = self.node(node.0);
        node.is_in_files().then(|| node.place())
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        self.arena.node(id)
    }

    pub(super) fn node_mut(&mut self, id: u32) -> &mut Node {
        self.arena.node_mut(id)
    }

    /// Named as a parent, and not there; the anchor counts as there.
    pub(super) fn is_missing(&self, id: u32) -> bool {
        let anchored = id == self.root_id && matches!(self.root, Root::Anchor { .. });
        self.node(id).is(GHOST) && !anchored
    }

    /// Keeps a further place of a block, unless it is the one known.
    fn add_copy(&mut self, original: u32, place: Place) {
        if self.node(original).place() == place {
            return;
        }
        let mut copy = Node::ghost(self.node(original).key);
        copy.bytes_flags = COPY;
        copy.set_place(place);
        let id = self.arena.push(copy);
        self.arena.hang(id, original);
        self.counts.duplicates += 1;
    }
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
    fn headers_that_lead_back_to_themselves_are_orphans() {
        let mut arena = arena(100);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(1)));
        for (n, prev) in [
            (1, 3),
            (2, 1),
            (3, 2),
            (5, 7),
            (6, 5),
            (7, 6),
            (8, 8),
            (9, 7),
        ] {
            put(&mut tree, n, prev, EASY);
        }
        let best = tree.best().expect("there is the root");
        assert_eq!(best.height, Height(2));
        assert_eq!(tree.best_chain().count(), 3);
        assert_eq!(tree.counts().orphans, 5);
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

    /// 0-1-2-...-9, of which files have 5, 6, 8 and 9, and the branch 4-11-12(hard).
    fn with_known(root: Root, known: &[u32], branch: &[(u32, u32, u32)]) -> Vec<(u32, Place)> {
        let mut arena = arena(40);
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(hash(0)));
        for (n, prev) in [(8, 7), (5, 4), (9, 8), (6, 5)] {
            put(&mut tree, n, prev, EASY);
        }
        for (n, prev, bits) in branch {
            put(&mut tree, *n, *prev, *bits);
        }
        assert!(tree.best().is_none());
        assert_eq!(
            tree.orphan_roots().count(),
            2 + usize::from(!branch.is_empty())
        );
        let Root::Anchor { height, hash: root } = root else {
            unreachable!("the tests hang it from a block");
        };
        tree.hang_from(height, root);
        for n in known {
            tree.insert_known(&hash(*n), &hash(n - 1), EASY)
                .expect("room");
        }
        tree.best();
        let headers = 4 + branch.len() as u32;
        assert_eq!(
            tree.counts().headers,
            headers,
            "what is known is in no file"
        );
        chain(&tree)
    }

    #[test]
    fn what_is_known_joins_what_the_files_have_and_is_in_no_file() {
        let root = Root::Anchor {
            height: Height(4),
            hash: hash(4),
        };
        assert_eq!(with_known(root, &[], &[]), chain_of(&[5, 6], 5));
        let joined = [chain_of(&[5, 6], 5), chain_of(&[8, 9], 8)].concat();
        assert_eq!(with_known(root, &[5, 6, 7], &[]), joined);
        // The branch has more work, and leaves at a block that is known only.
        let branch = [(11, 4, EASY), (12, 11, HARD)];
        assert_eq!(
            with_known(root, &[5, 6, 7], &branch),
            chain_of(&[11, 12], 5)
        );
        let lower = Root::Anchor {
            height: Height(2),
            hash: hash(2),
        };
        let branch = [(11, 3, EASY), (12, 11, HARD)];
        assert_eq!(
            with_known(lower, &[3, 4, 5, 6, 7], &branch),
            chain_of(&[11, 12], 4)
        );
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
            assert!(matches!(full, Fault::HeaderArenaFull { .. }));
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
}
