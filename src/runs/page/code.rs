//! How a page tells how many bits its numbers have: by a prefix code, made of what the pages before had.
//!
//! Invariant: every length can be told, those that the code does not name by an escape; and whatever bytes
//! are read as a code, each word means one length or is refused.
//!
//! | bytes | field |
//! | --- | --- |
//! | 8 | how many words have 1, 2, ... 8 bits |
//! | 1 each | the lengths that the words stand for; 255: an escape, behind which the length has 8 bits |
//!
//! Words are given in this order, as of a canonical Huffman code: each is the one before plus one, with zeros
//! appended where words get longer. If there are none, the escape is a word of no bits.

use crate::runs::Damage;

/// Lengths that can be told: 0 to 128 bits.
pub const LENGTHS: usize = 129;

/// Stands for any of them.
const ESCAPE: u8 = u8::MAX;
/// Bits of a length behind an escape.
const ESCAPED_BITS: u32 = 8;
/// The most words of a code.
const CODED_MAX: usize = LENGTHS + 1;
/// Bits of the longest word.
const WORD_BITS_MAX: usize = 8;
/// Words of that many bits.
const WORDS_MAX: usize = 1 << WORD_BITS_MAX;

/// The most bytes of a code.
pub const CODE_BYTES_MAX: usize = WORD_BITS_MAX + CODED_MAX;

/// The most bits that tell a length.
pub const TOLD_BITS_MAX: u32 = WORD_BITS_MAX as u32 + ESCAPED_BITS;

/// How often each length was there.
pub type Counts = [u32; LENGTHS];

/// See the module documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// Words of each number of bits, from 1 on.
    words: [u8; WORD_BITS_MAX],
    /// What they stand for.
    lengths: [u8; CODED_MAX],
}

/// A length that a word is chosen for.
#[derive(Clone, Copy)]
struct Chosen {
    length: u8,
    bits: u32,
    count: u64,
}

impl Chosen {
    /// How many of all words begin like its word.
    fn share(self) -> usize {
        WORDS_MAX >> self.bits
    }
}

impl Code {
    /// Names no length.
    pub const EMPTY: Code = Code {
        words: [0; WORD_BITS_MAX],
        lengths: [0; CODED_MAX],
    };

    /// That tells lengths which are so frequent in few bits.
    pub fn of(counts: &Counts) -> Code {
        let total: u64 = counts.iter().copied().map(u64::from).sum();
        // A length that is rarer, told by an escape, costs hardly more than by the longest word.
        let count_min = total / (WORDS_MAX as u64 - 1) + 1;
        let is_rare = |count: u64| count < count_min;
        let rare: u64 = counts
            .iter()
            .copied()
            .map(u64::from)
            .filter(|count| is_rare(*count))
            .sum();
        let escape = (ESCAPE, rare.max(count_min));
        let of_lengths = (0..)
            .zip(counts)
            .map(|(length, count)| (length, u64::from(*count)));
        let named = of_lengths.filter(|(_, count)| !is_rare(*count));
        let mut chosen = [Chosen {
            length: 0,
            bits: 0,
            count: 0,
        }; CODED_MAX];
        let mut named_count = 0;
        for ((length, count), place) in named.chain([escape]).zip(&mut chosen) {
            *place = Chosen {
                length,
                bits: 0,
                count,
            };
            named_count += 1;
        }
        let chosen = &mut chosen[..named_count];
        if chosen.len() == 1 {
            return Code::EMPTY;
        }
        give_bits(chosen);
        Code::of_chosen(chosen)
    }

    fn of_chosen(chosen: &mut [Chosen]) -> Code {
        chosen.sort_unstable_by_key(|chosen| (chosen.bits, chosen.length));
        let mut code = Code::EMPTY;
        for (chosen, length) in chosen.iter().zip(&mut code.lengths) {
            code.words[chosen.bits as usize - 1] += 1;
            *length = chosen.length;
        }
        code
    }

    /// How many words it has.
    fn count(&self) -> usize {
        self.words.iter().map(|words| usize::from(*words)).sum()
    }

    /// Its bytes, in front of `page`; returns how many those are.
    pub fn write(&self, page: &mut [u8]) -> usize {
        let count = self.count();
        page[..WORD_BITS_MAX].copy_from_slice(&self.words);
        page[WORD_BITS_MAX..][..count].copy_from_slice(&self.lengths[..count]);
        WORD_BITS_MAX + count
    }

    /// The code in front of `page`, and how many bytes it has.
    ///
    /// # Errors
    /// [`Damage::PageHead`] if there is none.
    pub fn read(page: &[u8]) -> Result<(Code, usize), Damage> {
        let mut code = Code::EMPTY;
        let words = page.first_chunk().ok_or(Damage::PageHead)?;
        code.words = *words;
        let count = code.count();
        let lengths = page[WORD_BITS_MAX..].get(..count);
        let to = code.lengths.get_mut(..count);
        let (lengths, to) = lengths.zip(to).ok_or(Damage::PageHead)?;
        to.copy_from_slice(lengths);
        let is_length = |length: &u8| usize::from(*length) < LENGTHS || *length == ESCAPE;
        // Without a word that escapes, there is none for lengths that the code does not know.
        let has_escape = lengths.is_empty() || lengths.contains(&ESCAPE);
        if !has_escape || !lengths.iter().all(is_length) {
            return Err(Damage::PageHead);
        }
        let begun: usize = (1..)
            .zip(code.words)
            .map(|(bits, words)| usize::from(words) * (WORDS_MAX >> bits))
            .sum();
        match begun <= WORDS_MAX {
            true => Ok((code, WORD_BITS_MAX + count)),
            false => Err(Damage::PageHead),
        }
    }

    /// Its words, and the bits of each, with the lengths that they stand for.
    fn entries(&self) -> impl Iterator<Item = (u32, usize, u8)> + '_ {
        let bits = (1..)
            .zip(self.words)
            .flat_map(|(bits, words)| std::iter::repeat_n(bits, usize::from(words)));
        let mut next = 0;
        bits.zip(self.lengths).map(move |(bits, length)| {
            let word = next >> (WORD_BITS_MAX as u32 - bits);
            next += WORDS_MAX >> bits;
            (bits, word, length)
        })
    }

    /// What is written for each length.
    pub fn words(&self) -> [Word; LENGTHS] {
        let escape = self.entries().find(|(.., length)| *length == ESCAPE);
        let (escape_bits, escape, _) = escape.unwrap_or((0, 0, ESCAPE));
        let mut words = std::array::from_fn(|length| Word {
            word: (escape << ESCAPED_BITS | length) as u16,
            bits: (escape_bits + ESCAPED_BITS) as u8,
        });
        for (bits, word, length) in self.entries().filter(|(.., length)| *length != ESCAPE) {
            words[usize::from(length)] = Word {
                word: word as u16,
                bits: bits as u8,
            };
        }
        words
    }

    /// What is read at each word.
    pub fn table(&self) -> Table {
        let unused = match self.count() {
            0 => Told {
                length: ESCAPE,
                bits: 0,
            },
            _ => Told::NOTHING,
        };
        let mut table = [unused; WORDS_MAX];
        let mut at = 0;
        for (bits, _, length) in self.entries() {
            let told = Told {
                length,
                bits: bits as u8,
            };
            table[at..][..WORDS_MAX >> bits].fill(told);
            at += WORDS_MAX >> bits;
        }
        Table(table)
    }
}

/// Gives each as many bits as it should have, so that all words are different.
fn give_bits(chosen: &mut [Chosen]) {
    let total: u64 = chosen.iter().map(|chosen| chosen.count).sum();
    for chosen in chosen.iter_mut() {
        // As in Shannon's code, so that there is a word for all of them.
        while chosen.count << chosen.bits < total {
            chosen.bits += 1;
        }
    }
    let taken: usize = chosen.iter().map(|chosen| chosen.share()).sum();
    let mut free = WORDS_MAX
        .checked_sub(taken)
        .expect("none is rarer than a word of the most bits");
    // What is left makes those shorter that are worth most.
    loop {
        let shorter = chosen
            .iter_mut()
            .filter(|chosen| chosen.bits > 1 && chosen.share() <= free);
        let Some(best) = shorter.max_by_key(|chosen| chosen.count << chosen.bits) else {
            return;
        };
        free -= best.share();
        best.bits -= 1;
    }
}

/// How a length is written.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Its bits, as a number.
    pub word: u16,
    /// How many those are; [`TOLD_BITS_MAX`] at most.
    pub bits: u8,
}

/// What a word says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    length: u8,
    bits: u8,
}

impl Told {
    /// No word of the code.
    const NOTHING: Told = Told {
        length: ESCAPE - 1,
        bits: 0,
    };

    /// The length behind the escape, if it is one.
    #[cold]
    fn escaped(self, loaded: u64) -> Option<(u32, u32)> {
        let bits = u32::from(self.bits);
        let length = (loaded << bits >> (u64::BITS - ESCAPED_BITS)) as u8;
        let is_told = self.length == ESCAPE && usize::from(length) < LENGTHS;
        is_told.then_some((u32::from(length), bits + ESCAPED_BITS))
    }
}

/// Lengths by the bits that tell them.
#[derive(Clone, Debug)]
pub struct Table([Told; WORDS_MAX]);

impl Table {
    /// The length that is told first in `loaded`, below [`LENGTHS`], and in how many bits. `None` if none is.
    #[inline(always)]
    pub fn first_in(&self, loaded: u64) -> Option<(u32, u32)> {
        let told = self.0[(loaded >> (u64::BITS as usize - WORD_BITS_MAX)) as usize];
        if usize::from(told.length) < LENGTHS {
            return Some((u32::from(told.length), u32::from(told.bits)));
        }
        told.escaped(loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts() -> impl Strategy<Value = Counts> {
        let count = prop_oneof![4 => Just(0), 2 => 1u32..30, 1 => 1u32..1 << 20];
        prop::collection::vec(count, LENGTHS).prop_map(|counts| counts.try_into().expect("so many"))
    }

    fn check(code: &Code) {
        let mut bytes = [0xAB; CODE_BYTES_MAX];
        let count = code.write(&mut bytes);
        assert_eq!(
            Code::read(&bytes).expect("as it was written"),
            (*code, count)
        );
        let (words, table) = (code.words(), code.table());
        for (length, word) in words.iter().enumerate() {
            assert!(u32::from(word.bits) <= TOLD_BITS_MAX);
            let shift = u64::BITS - u32::from(word.bits);
            for rest in [0, (1 << shift) - 1] {
                let told = table.first_in(u64::from(word.word) << shift | rest);
                assert_eq!(told, Some((length as u32, u32::from(word.bits))));
            }
        }
    }

    proptest! {
        #[test]
        fn every_length_is_told(counts in counts()) {
            check(&Code::of(&counts));
        }

        #[test]
        fn any_bytes_are_a_code_or_damage(
            words in prop::collection::vec(0u8..9, 8),
            lengths in prop::collection::vec(prop_oneof![0u8..129, Just(255)], 130),
            loaded in any::<u64>(),
        ) {
            let bytes = [words, lengths].concat();
            if let Ok((code, _)) = Code::read(&bytes) {
                let told = code.table().first_in(loaded);
                prop_assert!(told.is_none_or(|(length, bits)| length < 129 && bits <= TOLD_BITS_MAX));
            }
        }
    }

    #[test]
    fn a_frequent_length_takes_few_bits() {
        let mut counts = [0; LENGTHS];
        (counts[0], counts[17], counts[82], counts[90]) = (700, 150, 149, 1);
        let words = Code::of(&counts).words();
        let bits = [0, 17, 82, 90].map(|length: usize| words[length].bits);
        assert_eq!(bits[..3], [1, 2, 3]);
        assert_eq!(
            bits[3], words[3].bits,
            "one that is rare is told as one that was never there"
        );
    }

    #[test]
    fn lengths_that_nothing_is_known_of_are_told() {
        check(&Code::EMPTY);
        assert_eq!(Code::of(&[0; LENGTHS]), Code::EMPTY);
        check(&Code::of(&[1; LENGTHS]));
        check(&Code::of(&[u32::MAX; LENGTHS]));
    }

    #[test]
    fn a_code_with_too_many_words_or_cut_short_or_without_escape_is_damage() {
        let mut bytes = [0; CODE_BYTES_MAX];
        bytes[0] = 3;
        assert_eq!(Code::read(&bytes).unwrap_err(), Damage::PageHead);
        bytes[..8].copy_from_slice(&[1, 1, 1, 1, 1, 1, 1, 2]);
        assert_eq!(Code::read(&bytes).unwrap_err(), Damage::PageHead);
        bytes[8] = ESCAPE;
        assert!(Code::read(&bytes).is_ok());
        assert_eq!(Code::read(&bytes[..16]).unwrap_err(), Damage::PageHead);
        bytes[7] = 3;
        assert_eq!(Code::read(&bytes).unwrap_err(), Damage::PageHead);
        bytes[..8].fill(255);
        assert_eq!(Code::read(&bytes).unwrap_err(), Damage::PageHead);
    }
}
