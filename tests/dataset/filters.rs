//! Bloom filters: who looks for an id or an address reads only the groups that may have it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use parquet::file::properties::ReaderProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::record::Field;

use crate::common::fixtures::data;
use crate::engines::ask;
use crate::set::{Scene, TABLES};

/// What rows are looked for by.
const LOOKED_FOR: [(&str, &str); 7] = [
    ("blocks", "hash"),
    ("transactions", "hash"),
    ("inputs", "transaction_hash"),
    ("inputs", "spent_transaction_hash"),
    ("inputs", "address"),
    ("outputs", "transaction_hash"),
    ("outputs", "address"),
];

/// A node's chain in many groups.
fn scene(hashes: &str) -> Scene {
    let scene = Scene::of_copy(&data());
    let args = ["--until", "tip", "--row-group-rows", "50", "--hashes"];
    scene.export(&[&args[..], &[hashes]].concat());
    scene
}

fn reader(scene: &Scene, table: &str) -> SerializedFileReader<File> {
    let path = scene.dir().join(table).join(&scene.names(table)[0]);
    let properties = ReaderProperties::builder().set_read_bloom_filter(true);
    let options = ReadOptionsBuilder::new().with_reader_properties(properties.build());
    SerializedFileReader::new_with_options(File::open(path).unwrap(), options.build()).unwrap()
}

/// The values of a column, group by group.
fn values(reader: &SerializedFileReader<File>, column: usize) -> Vec<BTreeSet<Vec<u8>>> {
    let groups = 0..reader.num_row_groups();
    let of_group = |group: usize| {
        let group = reader.get_row_group(group).unwrap();
        let rows = group.get_row_iter(None).unwrap();
        let value = |row: parquet::record::Row| match row.get_column_iter().nth(column).unwrap().1 {
            Field::Null => None,
            Field::Str(text) => Some(text.clone().into_bytes()),
            Field::Bytes(bytes) => Some(bytes.data().to_vec()),
            other => panic!("{other:?}"),
        };
        rows.filter_map(|row| value(row.unwrap())).collect()
    };
    groups.map(of_group).collect()
}

/// The columns that have filters know all values of their groups, and at most one in ten of the others'.
fn check_filters(scene: &Scene, table: &str) -> Vec<String> {
    let reader = reader(scene, table);
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut filtered = Vec::new();
    for column in 0..schema.num_columns() {
        let first = reader.get_row_group(0).unwrap();
        if first.get_column_bloom_filter(column).is_none() {
            continue;
        }
        let name = schema.column(column).name().to_owned();
        let (mut others, mut taken_for_own) = (0, 0);
        let groups = values(&reader, column);
        for (number, own) in groups.iter().enumerate() {
            let group = reader.get_row_group(number).unwrap();
            let filter = group.get_column_bloom_filter(column).unwrap();
            assert!(own.iter().all(|value| filter.check(&value[..])), "{name}");
            for other in groups
                .iter()
                .flatten()
                .filter(|value| !own.contains(*value))
            {
                others += 1;
                taken_for_own += u32::from(filter.check(&other[..]));
            }
        }
        assert!(others > 100, "{table}: {name}");
        assert!(
            taken_for_own * 10 < others,
            "{table}: {name}: {taken_for_own} of {others}"
        );
        filtered.push(name);
    }
    filtered
}

#[test]
fn filters_know_the_values_of_their_groups_and_few_others() {
    for hashes in ["hex", "binary"] {
        let scene = scene(hashes);
        for table in TABLES {
            let of_table = LOOKED_FOR.iter().filter(|(name, _)| *name == table);
            let expected: Vec<&str> = of_table.map(|(_, column)| *column).collect();
            assert_eq!(check_filters(&scene, table), expected, "{table}");
        }
    }
}

#[test]
#[cfg_attr(without_duckdb, ignore = "needs duckdb")]
fn duckdb_passes_over_the_groups_that_cannot_have_what_is_looked_for() {
    let scene = scene("hex");
    let mut sql = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (table, column) in LOOKED_FOR {
        let reader = reader(&scene, table);
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut columns = schema.columns().iter();
        let at = columns.position(|spec| spec.name() == column).unwrap();
        let groups = values(&reader, at);
        let present = String::from_utf8(groups[1].first().unwrap().clone()).unwrap();
        // Nobody's.
        let absent: String = present.chars().rev().collect();
        for (what, value) in [("present", present), ("absent", absent)] {
            let has_it = |own: &&BTreeSet<Vec<u8>>| own.contains(value.as_bytes());
            let question = format!("{table} {column} {what}");
            let files = format!("{}/{table}/*.parquet", scene.dir().display());
            sql.insert(
                question.clone(),
                format!(
                    "select count(*), count(*) filter (not bloom_filter_excludes) \
                     from parquet_bloom_probe('{files}', '{column}', '{value}')"
                ),
            );
            expected.insert(
                question,
                (groups.len(), groups.iter().filter(has_it).count()),
            );
        }
    }
    let said = ask(&scene, "duckdb", &sql);
    for (question, (groups, own)) in expected {
        let row = &said.answers[&question][0];
        let read = row[1].as_u64().unwrap() as usize;
        assert_eq!(row[0].as_u64(), Some(groups as u64), "{question}");
        let few = own + groups.div_ceil(10);
        assert!(
            (own..=few).contains(&read),
            "{question}: {read} of {groups}, {own}"
        );
    }
}
