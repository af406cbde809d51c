//! The files that callers uploaded, as they were. They are kept for as long as the simulator runs.

use std::collections::HashMap;

use bytes::Bytes;

use super::history::fake_credential;

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    pub(crate) appid: String,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

/// All the files.
#[derive(Debug, Default)]
pub(crate) struct MediaShelf(HashMap<String, Media>);

impl MediaShelf {
    /// Keeps a file; its id.
    pub(crate) fn keep(&mut self, media: Media) -> String {
        let id = fake_credential("media", self.0.len() as u64 + 1);
        self.0.insert(id.clone(), media);
        id
    }

    /// A file of this app.
    pub(crate) fn find(&self, appid: &str, id: &str) -> Option<&Media> {
        self.0.get(id).filter(|media| media.appid == appid)
    }
}
