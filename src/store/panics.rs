//! Panics of redb, which a damaged file can cause, become words.
//!
//! Invariant: only what panics inside of [`caught`] is caught, and is then not shown; all other panics
//! are bugs of ours, and go their usual way.

use crate::memory::heap::InRedb;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

thread_local! {
    /// Whether control is inside redb.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    /// What the hook has heard of the panic that is on its way out.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, panics inside redb are noted and not shown. (A program that sets a hook of its own
/// afterwards sees them, and the words lack their place.)
pub(super) fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| match IS_INSIDE.get() {
            true => note(info),
            false => usual(info),
        }));
    });
}

/// Calls redb. What it allocates and frees is charged to it.
///
/// # Errors
/// If redb panics: where, and what it said.
#[inline]
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let _inside = Inside::enter();
    // Nothing that `call` has touched is used after a panic: `IndexFile` sees to it.
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| words_of(&*panic))
}

/// As long as it lives, control is inside redb.
struct Inside {
    was_inside: bool,
    _heap: InRedb,
}

impl Inside {
    fn enter() -> Inside {
        Inside {
            was_inside: IS_INSIDE.replace(true),
            _heap: InRedb::enter(),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IS_INSIDE.set(self.was_inside);
    }
}

/// Keeps the first: others follow from it.
fn note(info: &PanicHookInfo<'_>) {
    let file = info.location().map(|place| {
        let name = Path::new(place.file()).file_name().unwrap_or_default();
        format!(", {}:{}", name.display(), place.line())
    });
    let place = file.unwrap_or_default();
    let words = format!("redb{place}: {}", message(info.payload()));
    WORDS.with_borrow_mut(|first| {
        first.get_or_insert(words);
    });
}

#[cold]
fn words_of(panic: &dyn Any) -> String {
    let noted = WORDS.take();
    noted.unwrap_or_else(|| format!("redb: {}", message(panic)))
}

/// The first line of what was said.
fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let lines = text.and_then(|text| text.lines().next());
    lines.unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_becomes_one_line_with_its_place() {
        keep_quiet();
        let line = line!() + 1;
        let words = caught(|| panic!("first {}\nsecond", 7)).expect_err("it panics");
        assert_eq!(words, format!("redb, panics.rs:{line}: first 7"));
        let words = caught(|| std::panic::panic_any(7)).expect_err("it panics");
        assert!(words.ends_with(": without a word"), "{words}");
        assert_eq!(caught(|| 7), Ok(7));
    }

    #[test]
    fn of_panics_that_follow_from_each_other_the_first_is_told() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                let _ = catch_unwind(|| panic!("second"));
            }
        }
        keep_quiet();
        let words = caught(|| {
            let _loud = Loud;
            panic!("first");
        });
        assert!(words.expect_err("it panics").ends_with(": first"));
        let words = caught(|| panic!("third")).expect_err("it panics");
        assert!(words.ends_with(": third"), "nothing is left of the others");
    }

    #[test]
    fn a_panic_outside_stays_a_panic() {
        keep_quiet();
        let bug = catch_unwind(|| {
            let done = caught(|| 7);
            assert_eq!(done, Ok(8), "a bug of ours");
        });
        assert!(bug.is_err());
        assert!(!IS_INSIDE.get());
    }
}
