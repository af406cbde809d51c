//! The files that a configuration was read from, each as it was then: whether anything has changed is told by
//! content, since a mounted file is swapped under its name.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Files and what was in them. `Debug` tells neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Files {
    /// Reads a text and notes what it was, or that it could not be read.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<String> {
        let read = std::fs::read_to_string(path);
        let digest = read.as_ref().ok().map(|text| digest(text.as_bytes()));
        self.0.insert(path.to_owned(), digest);
        read
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The same files as they are now.
    #[must_use]
    pub fn as_they_are_now(&self) -> Self {
        let now = |path: &PathBuf| std::fs::read(path).ok().map(|bytes| digest(&bytes));
        Self(
            self.0
                .keys()
                .map(|path| (path.clone(), now(path)))
                .collect(),
        )
    }
}

fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} file(s)", self.0.len())
    }
}
