//! The scripts that a question is about, each called by its number.
//!
//! Invariant: a script's number is that of its turn.
//!
//! Memory: the bytes of the scripts, and eight for each.

use bitcoin::Script;

/// See the module documentation.
#[derive(Default)]
pub(super) struct Payees {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payees {
    /// One script.
    pub fn one(script: &Script) -> Payees {
        let mut payees = Payees::default();
        payees.push(script);
        payees
    }

    /// Adds one.
    pub fn push(&mut self, script: &Script) {
        self.bytes.extend_from_slice(script.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// The first `count` of them.
    pub fn first(&self, count: usize) -> Payees {
        let ends = self.ends[..count].to_vec();
        let bytes = self.bytes[..ends.last().copied().unwrap_or(0)].to_vec();
        Payees { bytes, ends }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The one with this number.
    pub fn get(&self, number: u32) -> &Script {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Script::from_bytes(&self.bytes[start..self.ends[number]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::ScriptBuf;

    #[test]
    fn scripts_come_back_by_their_numbers() {
        let of = |bytes: usize| ScriptBuf::from_bytes(vec![bytes as u8; bytes]);
        let scripts = [of(3), of(0), of(0), of(34)];
        let mut payees = Payees::default();
        scripts.iter().for_each(|script| payees.push(script));
        assert_eq!(payees.len(), 4);
        for (number, script) in scripts.iter().enumerate() {
            assert_eq!(payees.get(number as u32), script.as_script());
        }
        for count in 0..=4 {
            let first = payees.first(count);
            assert_eq!(first.len(), count);
            for (number, script) in scripts.iter().enumerate().take(count) {
                assert_eq!(first.get(number as u32), script.as_script());
            }
        }
    }
}
