//! Writes one Parquet file, group by group, column by column.
//!
//! Invariant: every column of a group is written once, in the order of the schema; a file that was not finished
//! is none.
//!
//! Memory: of one column at a time a batch, the encoder's page and dictionary: [`FileWriter::BYTES`].

use super::Fault;
use super::schema::{Hashes, Spec, properties_of, schema_of};
use super::text::{printed, push_hash_hex};
use crate::os::io_error;
use crate::primitives::wire::Hash32;
use crate::{Error, Result};
use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{BoolType, ByteArray, DataType, FixedLenByteArray, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a batch: they stay in the processor's cache on their way.
const BATCH_ROWS: usize = 1024;

/// Bytes of a batch that is encoded before it has all its rows.
const BATCH_BYTES_MAX: usize = 256 << 10;

/// See the module documentation.
pub(crate) struct FileWriter<W: Write + Send> {
    /// Where it goes, for errors.
    path: PathBuf,
    file: SerializedFileWriter<W>,
    hashes: Hashes,
}

impl<W: Write + Send> FileWriter<W> {
    /// What it takes beside what is written: batch, page, dictionary and filter of a column, and zstd.
    pub const BYTES: usize = 3 << 20;

    /// What it takes more where there are scripts of a megabyte: each is two as text, and the encoder has it
    /// once or twice more.
    pub const LONG_TEXT_BYTES: usize = 8 << 20;

    /// A file with these columns, in groups of at most so many rows.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::dataset::Fault::Parquet`].
    pub fn new(
        to: W,
        path: &Path,
        columns: &[Spec],
        hashes: Hashes,
        group_rows: usize,
    ) -> Result<FileWriter<W>> {
        let fault = |error| parquet_fault(path, error);
        let schema = schema_of(columns, hashes).map_err(fault)?;
        let properties = properties_of(columns, group_rows).map_err(fault)?.build();
        let file = SerializedFileWriter::new(to, schema, Arc::new(properties)).map_err(fault)?;
        Ok(FileWriter {
            path: path.to_owned(),
            file,
            hashes,
        })
    }

    /// A group: `fill` gives its columns.
    ///
    /// # Errors
    /// As [`FileWriter::new`].
    pub fn group(
        &mut self,
        fill: impl FnOnce(&mut GroupWriter<'_, W>) -> parquet::errors::Result<()>,
    ) -> Result<()> {
        let fault = |error| parquet_fault(&self.path, error);
        let mut group = GroupWriter {
            group: self.file.next_row_group().map_err(fault)?,
            hashes: self.hashes,
        };
        fill(&mut group).map_err(fault)?;
        group.group.close().map_err(fault)?;
        Ok(())
    }

    /// The footer, which says this of the file.
    ///
    /// # Errors
    /// As [`FileWriter::new`].
    pub fn finish(mut self, about: Vec<(&str, String)>) -> Result<()> {
        for (key, value) in about {
            let pair = KeyValue::new(key.to_owned(), value);
            self.file.append_key_value_metadata(pair);
        }
        let fault = |error| parquet_fault(&self.path, error);
        self.file.finish().map_err(fault)?;
        self.file.flush().map_err(io_error("write", &self.path))
    }
}

/// The columns of a group, one after the other.
pub(crate) struct GroupWriter<'f, W: Write + Send> {
    group: SerializedRowGroupWriter<'f, W>,
    hashes: Hashes,
}

type Done = parquet::errors::Result<()>;

impl<W: Write + Send> GroupWriter<'_, W> {
    fn next(&mut self) -> parquet::errors::Result<SerializedColumnWriter<'_>> {
        let column = self.group.next_column()?;
        Ok(column.expect("a table has as many columns as its schema"))
    }

    /// A column of numbers.
    pub fn ints(&mut self, values: impl Iterator<Item = i64>) -> Done {
        self.column(values, write_plain::<Int64Type>)
    }

    /// A column of numbers, some of them null.
    pub fn ints_or_null(&mut self, values: impl Iterator<Item = Option<i64>>) -> Done {
        self.column_with_nulls(values, write_plain::<Int64Type>)
    }

    /// A column of times in seconds.
    pub fn times(&mut self, values: impl Iterator<Item = u32>) -> Done {
        const MICROS: i64 = 1_000_000;
        self.ints(values.map(|seconds| i64::from(seconds) * MICROS))
    }

    /// A column of yes and no.
    pub fn flags(&mut self, values: impl Iterator<Item = bool>) -> Done {
        self.column(values, write_plain::<BoolType>)
    }

    /// A column of yes and no, some of them null.
    pub fn flags_or_null(&mut self, values: impl Iterator<Item = Option<bool>>) -> Done {
        self.column_with_nulls(values, write_plain::<BoolType>)
    }

    /// A column of values that many rows have.
    pub fn shared(&mut self, values: impl Iterator<Item = ByteArray>) -> Done {
        self.column(values, write_arrays)
    }

    /// A column of values that many rows have, some of them null.
    pub fn shared_or_null(&mut self, values: impl Iterator<Item = Option<ByteArray>>) -> Done {
        self.column_with_nulls(values, write_arrays)
    }

    fn column<V>(
        &mut self,
        mut values: impl Iterator<Item = V>,
        write: impl Fn(&mut SerializedColumnWriter<'_>, &mut [V], Option<&[i16]>) -> Done,
    ) -> Done {
        let mut column = self.next()?;
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        loop {
            batch.clear();
            batch.extend(values.by_ref().take(BATCH_ROWS));
            if batch.is_empty() {
                return column.close();
            }
            write(&mut column, &mut batch, None)?;
        }
    }

    fn column_with_nulls<V>(
        &mut self,
        mut values: impl Iterator<Item = Option<V>>,
        write: impl Fn(&mut SerializedColumnWriter<'_>, &mut [V], Option<&[i16]>) -> Done,
    ) -> Done {
        let mut column = self.next()?;
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        let mut levels = Vec::with_capacity(BATCH_ROWS);
        loop {
            batch.clear();
            levels.clear();
            for value in values.by_ref().take(BATCH_ROWS) {
                levels.push(i16::from(value.is_some()));
                batch.extend(value);
            }
            if levels.is_empty() {
                return column.close();
            }
            write(&mut column, &mut batch, Some(&levels))?;
        }
    }

    /// A column of hashes; of neighbours that are one and the same it makes text once.
    pub fn hashes<'h>(&mut self, values: impl Iterator<Item = &'h Hash32>) -> Done {
        match self.hashes {
            Hashes::Hex => self.texts(values, push_hash_hex),
            Hashes::Binary => self.texts(values, |out, hash| {
                out.extend_from_slice(&printed(hash));
            }),
        }
    }

    /// A column of text that `push` makes; of neighbours that lie in the same place, once.
    pub fn texts<'t, T: ?Sized + 't>(
        &mut self,
        values: impl Iterator<Item = &'t T>,
        push: impl FnMut(&mut Vec<u8>, &T),
    ) -> Done {
        self.text_column(values.map(Some), push, false)
    }

    /// The same, some of them null.
    pub fn texts_or_null<'t, T: ?Sized + 't>(
        &mut self,
        values: impl Iterator<Item = Option<&'t T>>,
        push: impl FnMut(&mut Vec<u8>, &T),
    ) -> Done {
        self.text_column(values, push, true)
    }

    fn text_column<'t, T: ?Sized + 't>(
        &mut self,
        mut values: impl Iterator<Item = Option<&'t T>>,
        mut push: impl FnMut(&mut Vec<u8>, &T),
        has_levels: bool,
    ) -> Done {
        let mut column = self.next()?;
        let mut arrays = Vec::with_capacity(BATCH_ROWS);
        let mut levels = Vec::with_capacity(BATCH_ROWS);
        let mut texts = Texts::default();
        loop {
            levels.clear();
            while levels.len() < BATCH_ROWS && texts.bytes.len() < BATCH_BYTES_MAX {
                let Some(value) = values.next() else { break };
                levels.push(i16::from(value.is_some()));
                if let Some(value) = value {
                    texts.push(value, &mut push);
                }
            }
            if levels.is_empty() {
                return column.close();
            }
            texts.take_into(&mut arrays);
            write_arrays(&mut column, &mut arrays, has_levels.then_some(&levels))?;
            arrays.clear();
        }
    }

    /// A hash as a value that many rows have.
    pub fn shared_hash(&self, hash: &Hash32) -> ByteArray {
        match self.hashes {
            Hashes::Binary => ByteArray::from(printed(hash).to_vec()),
            Hashes::Hex => {
                let mut text = Vec::with_capacity(2 * hash.len());
                push_hash_hex(&mut text, hash);
                ByteArray::from(text)
            }
        }
    }
}

/// The texts of a batch, each made once.
struct Texts<'t, T: ?Sized> {
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
    last: Option<&'t T>,
}

impl<T: ?Sized> Default for Texts<'_, T> {
    fn default() -> Self {
        Texts {
            bytes: Vec::new(),
            spans: Vec::with_capacity(BATCH_ROWS),
            last: None,
        }
    }
}

impl<'t, T: ?Sized> Texts<'t, T> {
    #[inline]
    fn push(&mut self, value: &'t T, push: &mut impl FnMut(&mut Vec<u8>, &T)) {
        let is_last = self.last.is_some_and(|last| std::ptr::eq(last, value));
        let span = match self.spans.last() {
            Some(span) if is_last => *span,
            _ => {
                let start = self.bytes.len() as u32;
                push(&mut self.bytes, value);
                (start, self.bytes.len() as u32)
            }
        };
        self.spans.push(span);
        self.last = Some(value);
    }

    /// Gives them to `arrays`.
    fn take_into(&mut self, arrays: &mut Vec<ByteArray>) {
        // The next batch will be about as large.
        let next = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        let bytes = Bytes::from(std::mem::replace(&mut self.bytes, next));
        let array = |(start, end): &(u32, u32)| {
            ByteArray::from(bytes.slice(*start as usize..*end as usize))
        };
        arrays.extend(self.spans.iter().map(array));
        self.spans.clear();
    }
}

/// Writes a batch of numbers or flags; `levels` tell the nulls between them.
fn write_plain<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    batch: &mut [T::T],
    levels: Option<&[i16]>,
) -> Done {
    column.typed::<T>().write_batch(batch, levels, None)?;
    Ok(())
}

/// The same of byte arrays, which are taken where the column has them in a fixed length.
fn write_arrays(
    column: &mut SerializedColumnWriter<'_>,
    arrays: &mut [ByteArray],
    levels: Option<&[i16]>,
) -> Done {
    match column.untyped() {
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            writer.write_batch(arrays, levels, None)?;
        }
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
            let taken = arrays.iter_mut().map(std::mem::take);
            let fixed: Vec<FixedLenByteArray> = taken.map(FixedLenByteArray::from).collect();
            writer.write_batch(&fixed, levels, None)?;
        }
        _ => unreachable!("hashes and texts are byte arrays in every schema"),
    }
    Ok(())
}

/// What the encoder says: of the file, or of the disk.
fn parquet_fault(path: &Path, error: ParquetError) -> Error {
    let why = match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => return io_error("write", path)(*source),
            Err(other) => other.to_string(),
        },
        other => other.to_string(),
    };
    let path = path.to_owned();
    Fault::Parquet { path, why }.into()
}
