//! Merging runs into one, segment by segment.
//!
//! Invariant: at every durable commit each row is live in exactly one place. The result is cut into
//! segments; the commit that names a segment also moves the lowest key of every input up to the
//! segment's end and frees the input pages below it. So the file never holds the rows twice, a kill
//! loses one segment of work, and [`Unfinished`] says what to go on with.
//!
//! Memory: none of its own; the buffer is lent.

use super::catalogue::{self, Catalogue, Run};
use super::page::NO_NEXT;
use super::read::positions_of;
use super::row::{Relation, Row};
use super::stream::Stream;
use super::table_of;
use super::write::{RunWriter, Staging};
use crate::Result;
use crate::limits::SEGMENT_BYTES_MIN;
use crate::primitives::position::Height;
use crate::store::writing::Writing;
use crate::store::{Store, TableDefinition, sealed};
use byteorder::{ByteOrder, LittleEndian};

/// A merged base is cut into about this many segments, so that a merge needs that part of its size
/// as additional disk; but none has fewer than [`SEGMENT_BYTES_MIN`] bytes.
const SEGMENTS_WANTED: u64 = 32;

/// Merges that were begun: relation → first height, last height (u32), key reached (u128),
/// whether the oldest run takes part (u8), last run that takes part (u32); little-endian,
/// sealed with the relation.
const MERGES: TableDefinition<'static, u8, &[u8]> = TableDefinition::new("merges");

const ENTRY_BYTES: usize = 29;
const _: () = assert!(4 + 4 + 16 + 1 + 4 == ENTRY_BYTES);

/// A merge, from the first time until its last segment is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The relation.
    pub relation: Relation,
    /// First and last height of the merged runs, and of the result.
    pub heights: (Height, Height),
    /// Rows with smaller keys are in the result.
    pub key: u128,
    /// Whether no older run exists.
    pub with_oldest: bool,
    /// Runs with higher ids take no part: the result's own, and, of a generation that is too many
    /// runs for one merge, those that are left for another.
    pub last_id: u32,
}

impl Unfinished {
    /// The merge of `relation` that was cut off, if there is one.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn load(store: &Store, relation: Relation) -> Result<Option<Unfinished>> {
        let snapshot = store.read()?;
        let Some(entry) = snapshot.get(MERGES, relation as u8)? else {
            return Ok(None);
        };
        let bytes = sealed::open(relation as u64, entry.value());
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == ENTRY_BYTES) else {
            return Err(store.damaged("the state of a merge cannot be read"));
        };
        Ok(Some(Unfinished {
            relation,
            heights: (
                Height(LittleEndian::read_u32(bytes)),
                Height(LittleEndian::read_u32(&bytes[4..])),
            ),
            key: LittleEndian::read_u128(&bytes[8..]),
            with_oldest: bytes[24] == 1,
            last_id: LittleEndian::read_u32(&bytes[25..]),
        }))
    }

    fn save(&self, transaction: &Writing) -> Result<()> {
        let mut bytes = [0; ENTRY_BYTES];
        LittleEndian::write_u32(&mut bytes, self.heights.0.0);
        LittleEndian::write_u32(&mut bytes[4..], self.heights.1.0);
        LittleEndian::write_u128(&mut bytes[8..], self.key);
        bytes[24] = u8::from(self.with_oldest);
        LittleEndian::write_u32(&mut bytes[25..], self.last_id);
        let mut table = transaction.open_table(MERGES)?;
        match self.key {
            NO_NEXT => table.remove(self.relation as u8),
            _ => table.insert(
                self.relation as u8,
                &sealed::seal(self.relation as u64, &bytes)[..],
            ),
        }
    }

    /// The runs that still have rows to give.
    pub fn inputs(&self, catalogue: &Catalogue) -> Vec<Run> {
        let is_input = |run: &Run| {
            run.from >= self.heights.0
                && run.to <= self.heights.1
                && run.end_key > self.key
                && run.id <= self.last_id
        };
        catalogue
            .mergeable(self.relation)
            .into_iter()
            .filter(is_input)
            .collect()
    }
}

/// What a merge has done.
#[derive(Clone, Copy, Debug)]
pub struct Merged {
    /// The most rows that were in the buffer.
    pub most_held: usize,
    /// Rows of its inputs that it has read.
    pub rows: u64,
}

/// What a merge works with.
pub struct Merger<'a, R> {
    /// The index file.
    pub store: &'a Store,
    /// What is real; kept up to date with every segment.
    pub catalogue: &'a mut Catalogue,
    /// Pages on their way out.
    pub staging: &'a mut Staging,
    /// Rows being sorted; room for [`fan_in`] runs.
    pub buffer: &'a mut [R],
    /// Bytes of a segment, set by hand for experiments.
    pub segment_bytes: Option<u64>,
}

impl<R: Row> Merger<'_, R> {
    /// Merges the inputs of `task` to the end, or until `is_over` says so after a segment.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`] if rows contradict each other, [`crate::store::Fault::Store`]. Segments
    /// that were named stay.
    pub fn run(
        &mut self,
        mut task: Unfinished,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Merged> {
        let inputs = task.inputs(self.catalogue);
        let segment_bytes = inputs.iter().map(Run::bytes).sum::<u64>() / SEGMENTS_WANTED;
        let segment_bytes = segment_bytes.max(SEGMENT_BYTES_MIN);
        let segment_bytes = self.segment_bytes.unwrap_or(segment_bytes);
        let positions = positions_of(self.store, &inputs)?;
        let mut stream = Stream::of_runs(inputs, task.with_oldest, self.buffer);
        while task.key != NO_NEXT {
            let writer = RunWriter::new::<R>(
                self.store,
                self.staging,
                self.catalogue.new_id(),
                task.heights,
                positions.clone(),
            );
            let low_key = task.key;
            let segment = write_segment(self.store, writer, &mut stream, low_key, segment_bytes)?;
            task.key = stream.position();
            name_segment(self.store, self.catalogue, &task, segment, &stream)?;
            stream.forget_below(task.key);
            if is_over() {
                break;
            }
        }
        Ok(Merged {
            most_held: stream.most_held(),
            rows: stream.rows_read(),
        })
    }
}

/// Writes a segment that begins at `low_key`: rows of the stream, which is closed before and after, until
/// it has so many bytes. `None` if there was no row.
pub(super) fn write_segment<R: Row>(
    store: &Store,
    mut writer: RunWriter<'_>,
    stream: &mut Stream<'_, R>,
    low_key: u128,
    segment_bytes: u64,
) -> Result<Option<Run>> {
    stream.open(store)?;
    while writer.bytes() < segment_bytes
        && let Some(rows) = stream.next_chunk()?
    {
        writer.extend(rows)?;
    }
    stream.close();
    Ok(writer.finish()?.map(|run| Run {
        low_key,
        end_key: stream.position(),
        ..run
    }))
}

/// Names a segment, and takes its rows from the inputs, in one durable commit.
fn name_segment<R: Row>(
    store: &Store,
    catalogue: &mut Catalogue,
    task: &Unfinished,
    segment: Option<Run>,
    inputs: &Stream<'_, R>,
) -> Result<()> {
    store.durable(|transaction| {
        task.save(transaction)?;
        catalogue::change(transaction, |runs| {
            if let Some(segment) = segment {
                runs.insert(segment.entry_key(), &segment.encode()[..])?;
            }
            for input in inputs.runs() {
                free_below(transaction, input, task.key)?;
                let entry = input.entry_key();
                match input.above(task.key) {
                    Some(rest) => runs.insert(entry, &rest.encode()[..])?,
                    None => runs.remove(entry)?,
                };
            }
            Ok(())
        })
    })?;
    for input in inputs.runs() {
        match input.above(task.key) {
            Some(rest) => catalogue.update(rest),
            None => catalogue.remove(input),
        }
    }
    if let Some(segment) = segment {
        catalogue.add(segment);
    }
    Ok(())
}

/// Frees the pages of a run whose rows are all below `key`.
pub(super) fn free_below(transaction: &Writing, run: &Run, key: u128) -> Result<()> {
    match run.above(key) {
        Some(rest) if rest.low_key > run.low_key => free_pages_below(transaction, &rest),
        Some(_) => Ok(()),
        None => transaction.delete_table(&run.table_name()),
    }
}

/// Frees the pages whose rows are all below the run's lowest key.
fn free_pages_below(transaction: &Writing, run: &Run) -> Result<()> {
    let name = run.table_name();
    let mut table = transaction.open_table(table_of(&name))?;
    let end = match run.is_old {
        // All but the last that begins below it.
        true => match table.range(..run.low_key)?.next_back() {
            Some(last) => last?.0.value(),
            None => return Ok(()),
        },
        false => run.low_key,
    };
    while table.first_key()?.is_some_and(|first| first < end) {
        table.pop_first()?;
    }
    Ok(())
}
