//! How old outputs are when they are spent: the only thing that a model has to believe of a chain.
//!
//! Invariant: ages, counted in outputs made since, are log-uniform: half of all spends are younger than the
//! square root of what there is. The bench's chains are made so; mainnet's spends are younger, so whatever
//! is worked out from this is on the safe side.

/// A chain that has grown to some outputs.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Outputs made so far that can be spent.
    pub made: f64,
    /// Inputs for each of them.
    pub inputs_an_output: f64,
}

impl Ages {
    /// The share of spends whose output is among the last `outputs`.
    pub fn younger(&self, outputs: f64) -> f64 {
        if outputs >= self.made {
            return 1.0;
        }
        (outputs.max(1.0).ln() / self.made.max(2.0).ln()).clamp(0.0, 1.0)
    }

    /// How many of the last `outputs` are unspent: of those of age `a` the share that [`Ages::younger`] leaves,
    /// summed up.
    pub fn unspent(&self, outputs: f64) -> f64 {
        let outputs = outputs.clamp(1.0, self.made.max(1.0));
        let spent = self.inputs_an_output * (outputs.ln() - 1.0) / self.made.max(2.0).ln();
        outputs * (1.0 - spent).clamp(0.0, 1.0)
    }

    /// How many of the last outputs have so many unspent ones among them.
    pub fn reach(&self, unspent: f64) -> f64 {
        let (mut low, mut high) = (1.0, self.made.max(1.0));
        if self.unspent(high) <= unspent {
            return high;
        }
        while high - low > 1.0 {
            let middle = low + (high - low) / 2.0;
            match self.unspent(middle) < unspent {
                true => low = middle,
                false => high = middle,
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Ages = Ages {
        made: 1e8,
        inputs_an_output: 0.8,
    };

    #[test]
    fn half_of_the_spends_are_younger_than_the_square_root() {
        assert!((AGES.younger(1e4) - 0.5).abs() < 1e-9);
        assert_eq!((AGES.younger(0.0), AGES.younger(1e9)), (0.0, 1.0));
    }

    #[test]
    fn what_reaches_so_far_has_so_many_unspent() {
        for unspent in [10.0, 1e4, 1e6, 1e7] {
            let found = AGES.unspent(AGES.reach(unspent));
            assert!(
                (found - unspent).abs() <= 1.0 + unspent / 1e6,
                "{unspent}: {found}"
            );
        }
        assert_eq!(AGES.reach(1e8), AGES.made);
    }
}
