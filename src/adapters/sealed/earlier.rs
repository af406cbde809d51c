//! The tokens before the stored one, sealed as one text:
//!
//! ```text
//! 1.<key id>.<key's fingerprint>.<base64 of nonce and ciphertext>.<checksum>
//! ```
//!
//! Namespace and credential are authenticated with it. Put back from earlier, a list tells of no token whose time is
//! not over by what is sealed in it. One that cannot be opened is none: whom it told of fetches the current token, as
//! WeChat would have had it.

use super::{FORM, Seals};
use crate::adapters::record::{Fields, earlier_of, earlier_text, read_state};
use crate::domain::credential::Credential;
use crate::domain::earlier::EarlierTokens;
use crate::domain::state::State;
use crate::ports::StoreError;
use crate::sealing::Sealing;

impl Seals {
    /// Earlier tokens as they are to be stored; `None` where there are none.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the system has no randomness to give.
    pub(in crate::adapters) fn seal_earlier(
        &self,
        of: &Credential,
        tokens: &EarlierTokens,
    ) -> Result<Option<String>, StoreError> {
        if tokens.is_empty() {
            return Ok(None);
        }
        let text = earlier_text(tokens);
        let Some(key) = self.keys.first().filter(|_| self.seals()) else {
            return Ok(Some(text));
        };
        let header = [FORM, &key.id, &key.fingerprint].join(".");
        let aad = self.associated_with_earlier(of, &header);
        key.lock(&header, &aad, &text).map(Some)
    }

    /// A state as it was stored, with the earlier tokens that it may tell of.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] names a field of the state proper, never its value.
    pub(in crate::adapters) fn state(
        &self,
        of: &Credential,
        stored: &Fields<'_>,
    ) -> Result<State, StoreError> {
        let earlier = stored.earlier();
        Ok(State {
            earlier: earlier
                .and_then(|text| self.open_earlier(of, text))
                .unwrap_or_default(),
            ..read_state(stored)?
        })
    }

    fn open_earlier(&self, of: &Credential, text: &str) -> Option<EarlierTokens> {
        // No text in the clear has a dot.
        if !text.contains('.') {
            return earlier_of(text).filter(|_| self.sealing != Sealing::Required);
        }
        let opened = self.unlock(text, |header| self.associated_with_earlier(of, header));
        opened.ok().and_then(|(_, _, text)| earlier_of(&text))
    }

    /// What is authenticated beside the list. No part can hold a line's end.
    fn associated_with_earlier(&self, of: &Credential, header: &str) -> String {
        let Credential { app, kind, mode } = of;
        let namespace = &self.namespace;
        format!("token-broker earlier\n{namespace}\n{app}\n{kind}\n{mode}\n{header}")
    }
}
