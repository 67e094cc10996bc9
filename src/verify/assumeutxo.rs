//! The heights at which Bitcoin Core itself ships the hash of the UTXO set.
//!
//! Invariant: every row is copied from Bitcoin Core (`kernel/chainparams.cpp`, in newer versions
//! `chainparams.cpp`, `m_assumeutxo_data`) and was found in a second repository too; none is computed by us.
//!
//! A network is named by its magic, which also tells a custom signet from the default one.

use bitcoin::hashes::Hash;

use super::Uint256;

/// What Core knows of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assumeutxo {
    /// Magic of the network.
    pub magic: [u8; 4],
    /// Height of the block.
    pub height: u32,
    /// `hash_serialized_3` of the UTXO set after the block, as shown.
    hash_serialized: &'static str,
    /// Transactions in the chain up to and with the block, coinbases counted.
    pub chain_tx_count: u64,
    /// Hash of the block, as shown.
    block_hash: &'static str,
}

/// What Core says of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Core ships nothing for this height.
    Nothing,
    /// Core ships the hash of the set at this very block.
    Block(&'static Assumeutxo),
    /// Core ships a hash for this height, but for another block: this is not the chain that the
    /// authors of Core saw. Never said of regtest, where every chain is its own.
    OtherBlock(&'static Assumeutxo),
}

impl Assumeutxo {
    /// `hash_serialized_3` of the UTXO set after the block.
    pub fn hash_serialized(&self) -> Uint256 {
        self.hash_serialized
            .parse()
            .expect("a test parses every row")
    }

    /// Hash of the block.
    pub fn block_hash(&self) -> Uint256 {
        self.block_hash.parse().expect("a test parses every row")
    }
}

/// Looks a block up; its hash is in the byte order of a block.
pub fn known(magic: [u8; 4], height: u32, block_hash: &[u8; 32]) -> Known {
    let mut other = Known::Nothing;
    for row in TABLE
        .iter()
        .filter(|row| row.magic == magic && row.height == height)
    {
        if row.block_hash().as_byte_array() == block_hash {
            return Known::Block(row);
        }
        if magic != REGTEST {
            other = Known::OtherBlock(row);
        }
    }
    other
}

const MAIN: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];
const TESTNET3: [u8; 4] = [0x0b, 0x11, 0x09, 0x07];
const TESTNET4: [u8; 4] = [0x1c, 0x16, 0x3f, 0x28];
const SIGNET: [u8; 4] = [0x0a, 0x03, 0xcf, 0x40];
const REGTEST: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

const fn row(
    magic: [u8; 4],
    height: u32,
    hash_serialized: &'static str,
    chain_tx_count: u64,
    block_hash: &'static str,
) -> Assumeutxo {
    Assumeutxo {
        magic,
        height,
        hash_serialized,
        chain_tx_count,
        block_hash,
    }
}

/// The rows of a network, lowest first.
pub fn of_network(magic: [u8; 4]) -> impl Iterator<Item = &'static Assumeutxo> {
    TABLE.iter().filter(move |row| row.magic == magic)
}

/// All rows. Regtest's are those of Core's own tests, of two versions of Core.
pub const TABLE: &[Assumeutxo] = &[
    row(
        MAIN,
        840_000,
        "a2a5521b1b5ab65f67818e5e8eccabb7171a517f9e2382208f77687310768f96",
        991_032_194,
        "0000000000000000000320283a032748cef8227873ff4872689bf23f1cda83a5",
    ),
    row(
        MAIN,
        880_000,
        "dbd190983eaf433ef7c15f78a278ae42c00ef52e0fd2a54953782175fbadcea9",
        1_145_604_538,
        "000000000000000000010b17283c3c400507969a9c2afd1dcf2082ec5cca2880",
    ),
    row(
        MAIN,
        910_000,
        "4daf8a17b4902498c5787966a2b51c613acdab5df5db73f196fa59a4da2f1568",
        1_226_586_151,
        "0000000000000000000108970acb9522ffd516eae17acddcb1bd16469194a821",
    ),
    row(
        MAIN,
        935_000,
        "e4b90ef9eae834f56c4b64d2d50143cee10ad87994c614d7d04125e2a6025050",
        1_305_397_408,
        "0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee",
    ),
    row(
        MAIN,
        965_000,
        "4a8d794337118c0c615b574f817c7306c687584a537184b8d233df42bf477ec2",
        1_429_611_231,
        "00000000000000000001595977e6000ce56129f5c9b4073e31ccc30b90b97da9",
    ),
    row(
        TESTNET3,
        2_500_000,
        "f841584909f68e47897952345234e37fcd9128cd818f41ee6c3ca68db8071be7",
        66_484_552,
        "0000000000000093bcb68c03a9a168ae252572d348a2eaeba2cdf9231d73206f",
    ),
    row(
        TESTNET3,
        4_840_000,
        "ce6bb677bb2ee9789c4a1c9d73e6683c53fc20e8fdbedbdaaf468982a0c8db2a",
        536_078_574,
        "00000000000000f4971a7fb37fbdff89315b69a2e1920c467654a382f0d64786",
    ),
    row(
        TESTNET3,
        5_125_000,
        "d05430f34c9b7dd7eb98c0718cdf03782bcce8273847557d68ac2efc1365d4b8",
        536_708_663,
        "00000000000009ad1946e21cb4f1a6323ee99c89017b59d5166472672b868133",
    ),
    row(
        TESTNET4,
        90_000,
        "784fb5e98241de66fdd429f4392155c9e7db5c017148e66e8fdbc95746f8b9b5",
        11_347_043,
        "0000000002ebe8bcda020e0dd6ccfbdfac531d2f6a81457191b99fc2df2dbe3b",
    ),
    row(
        TESTNET4,
        120_000,
        "10b05d05ad468d0971162e1b222a4aa66caca89da2bb2a93f8f37fb29c4794b0",
        14_141_057,
        "000000000bd2317e51b3c5794981c35ba894ce27d3e772d5c39ecd9cbce01dc8",
    ),
    row(
        SIGNET,
        160_000,
        "fe0a44309b74d6b5883d246cb419c6221bcccf0b308c9b59b7d70783dbdf928a",
        2_289_496,
        "0000003ca3c99aff040f2563c2ad8f8ec88bd0fd6b8f0895cfaf1ef90353a62c",
    ),
    row(
        SIGNET,
        290_000,
        "97267e000b4b876800167e71b9123f1529d13b14308abec2888bbd2160d14545",
        28_547_497,
        "0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0",
    ),
    row(
        SIGNET,
        320_000,
        "1aaf72ecb376cc16957fbb8d5d406bfd6e3165510e2fc83879b6d14cd20b4462",
        32_079_110,
        "0000000740ae66b284da84387dcfa14d7b1385b0bad482005ba4e770ea6c4b95",
    ),
    row(
        REGTEST,
        110,
        "b952555c8ab81fec46f3d4253b7af256d766ceb39fb7752b9d18cdf4a0141327",
        111,
        "6affe030b7965ab538f820a56ef56c8149b7dc1d1c144af57113be080db7c397",
    ),
    row(
        REGTEST,
        110,
        "86e9a1205b418b16dde3a18a78c730e30137e28466bda5dbf6b33ab8fc05447c",
        111,
        "135eec25a6fb277884e5824e7aa7d052c4868161c99a5122170b5266f86c273d",
    ),
    row(
        REGTEST,
        200,
        "17dcc016d188d16068907cdeb38b75691a118d43053b8cd6a25969419381d13a",
        201,
        "385901ccbd69dff6bbd00065d01fb8a9e464dede7cfe0372443884f9b1dcf6b9",
    ),
    row(
        REGTEST,
        299,
        "d2b051ff5e8eef46520350776f4100dd710a63447a8e01d917e92e79751a63e2",
        334,
        "7cc695046fec709f8c9394b6f928f81e81fd3ac20977bb68760fa1faa7916ea2",
    ),
    row(
        REGTEST,
        299,
        "106b2c56233e378a824cf0d5ff2be42ed32c72f1605c9be288d00942908a40ac",
        334,
        "0c552ced4721c249a389eb9b08cb8da261cd46f0e7b5f9d064d48f3113406853",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_no_block_comes_twice() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_ne!(row.hash_serialized(), Uint256::all_zeros());
            let hash = row.block_hash();
            assert!(
                TABLE[..index]
                    .iter()
                    .all(|earlier| earlier.block_hash() != hash)
            );
            let found = known(row.magic, row.height, hash.as_byte_array());
            assert_eq!(found, Known::Block(row));
        }
    }

    #[test]
    fn every_row_but_regtests_has_the_proof_of_work_of_its_hash() {
        for row in TABLE.iter().filter(|row| row.magic != REGTEST) {
            assert!(row.block_hash.starts_with("000000"), "{}", row.height);
        }
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn the_magics_are_those_of_real_files() {
        for (folder, magic) in [
            ("mainnet-4312", MAIN),
            ("signet-120", SIGNET),
            ("regtest-core31", REGTEST),
        ] {
            let fixture = crate::verify::fixtures::open(folder);
            assert_eq!(fixture.magic(), magic);
        }
    }

    #[test]
    fn heights_and_transaction_counts_rise_within_a_network() {
        for pair in TABLE
            .windows(2)
            .filter(|pair| pair[0].magic == pair[1].magic)
        {
            if pair[0].magic != REGTEST {
                assert!(pair[0].height < pair[1].height);
            }
            assert!(pair[0].chain_tx_count <= pair[1].chain_tx_count);
        }
    }

    #[test]
    fn another_block_at_a_known_height_is_said_except_on_regtest() {
        assert!(matches!(
            known(MAIN, 840_000, &[0; 32]),
            Known::OtherBlock(_)
        ));
        assert_eq!(known(MAIN, 840_001, &[0; 32]), Known::Nothing);
        assert_eq!(known(REGTEST, 110, &[0; 32]), Known::Nothing);
        assert_eq!(known([1, 2, 3, 4], 840_000, &[0; 32]), Known::Nothing);
    }
}
