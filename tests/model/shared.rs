//! A part of a state that most states share: cloned by reference, and hashed once when it has changed.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

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
        let print = self.print.get().unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            self.value.hash(&mut hasher);
            hasher.finish()
        });
        self.print.set(Some(print));
        state.write_u64(print);
    }
}
