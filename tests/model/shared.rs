//! A part of a state that most states share: cloned by reference, and hashed once when it has changed.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

use foldhash::quality::FixedState;

/// A value and its hash.
pub(crate) struct Shared<T> {
    value: Rc<T>,
    print: Cell<Option<u64>>,
}

impl<T: Clone> Shared<T> {
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

impl<T: Hash> Shared<T> {
    fn print(&self) -> u64 {
        let print = self.print.get();
        let print = print.unwrap_or_else(|| FixedState::default().hash_one(&*self.value));
        self.print.set(Some(print));
        print
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

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.print());
    }
}

/// Values of which those that are alike are kept once.
pub(crate) struct Pool<T>(HashMap<u64, Rc<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Hash> Pool<T> {
    /// Where there is one like it already, this one becomes that one.
    pub(crate) fn share(&mut self, shared: &mut Shared<T>) {
        let kept = self.0.entry(shared.print());
        shared.value = Rc::clone(kept.or_insert_with(|| Rc::clone(&shared.value)));
    }
}
