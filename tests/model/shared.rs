//! A part of a state that most states share: cloned by reference, and hashed once when it has changed.
//!
//! The domain's types do not derive `Hash`, and a replica's knowledge is private. Both derive `Debug`,
//! which prints everything that can make a difference, so the print is what is hashed.

use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Write};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// A value and the hash of its print.
pub(crate) struct Shared<T> {
    value: Rc<T>,
    print: Cell<Option<u64>>,
}

thread_local! {
    static PAPER: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The hash of a value's print: 64 bits, folded from products, eight bytes at a time.
fn print_of(value: &impl Debug) -> u64 {
    PAPER.with_borrow_mut(|paper| {
        paper.clear();
        let written = write!(paper, "{value:?}");
        debug_assert!(written.is_ok(), "paper takes everything");
        let fold = |hash: u64, word: u64| {
            let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
            let [low, high] = [product as u64, (product >> 64) as u64];
            low ^ high.rotate_left(23)
        };
        let mut words = paper.as_bytes().chunks_exact(8);
        let mut hash = 0x243f_6a88_85a3_08d3;
        for word in words.by_ref() {
            let bytes = <[u8; 8]>::try_from(word).unwrap_or_default();
            hash = fold(hash, u64::from_le_bytes(bytes));
        }
        let rest = words
            .remainder()
            .iter()
            .fold(0, |rest, byte| rest << 8 | u64::from(*byte));
        fold(fold(hash, rest), paper.len() as u64)
    })
}

impl<T: Clone + Debug> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Rc::new(value),
            print: Cell::new(None),
        }
    }

    /// Changes the value.
    pub(crate) fn edit<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        self.print.set(None);
        change(Rc::make_mut(&mut self.value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            value: Rc::clone(&self.value),
            print: self.print.clone(),
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Debug> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let print = self.print.get().unwrap_or_else(|| print_of(&*self.value));
        self.print.set(Some(print));
        state.write_u64(print);
    }
}
