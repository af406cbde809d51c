//! Who may ask: the configured callers, found by the key they send.

use std::collections::HashMap;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::problem::Problem;
use crate::config::CallerConfig;
use crate::domain::caller::{CallerId, Rights, Verb};
use crate::domain::secret::Digest;
use crate::key::CallerKey;

/// All callers.
#[derive(Debug)]
pub struct Callers {
    by_id: HashMap<CallerId, CallerConfig>,
    /// Where no caller is configured, everybody may do everything.
    anybody: Option<Rights>,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    /// Its name; `None` where no caller is configured.
    pub(super) id: Option<&'a CallerId>,
    /// What it may do.
    pub(super) rights: &'a Rights,
}

/// Compared with the keys of callers that do not exist: an id that nobody has costs what one costs that
/// somebody has.
const NOBODYS_KEYS: [Digest; 1] = [Digest::new([0; 32])];

impl Callers {
    /// The configured callers. With none, every request is allowed everything and needs no key: the
    /// configuration sees to it that this is only so on a loopback address.
    #[must_use]
    pub fn new(callers: impl IntoIterator<Item = CallerConfig>) -> Self {
        let by_id: HashMap<_, _> = callers
            .into_iter()
            .map(|caller| (caller.id.clone(), caller))
            .collect();
        let anybody = by_id.is_empty().then(|| {
            let mut rights = Rights::default();
            rights.allow_everywhere(Verb::ALL.into_iter().collect());
            rights
        });
        Self { by_id, anybody }
    }

    /// Whose key these headers carry.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Identity<'_>, Problem> {
        if let Some(rights) = &self.anybody {
            return Ok(Identity { id: None, rights });
        }
        let mut sent = headers.get_all(AUTHORIZATION);
        let header = sent.next().ok_or_else(Problem::key_missing)?;
        if sent.next().is_some() {
            return Err(Problem::key_malformed());
        }
        let key = header
            .to_str()
            .ok()
            .and_then(CallerKey::from_authorization)
            .ok_or_else(Problem::key_malformed)?;
        self.identify(&key)
    }

    /// Whose key stands where an unmodified client puts the AppSecret.
    pub(super) fn authenticate_secret(&self, secret: &str) -> Result<Identity<'_>, Problem> {
        if let Some(rights) = &self.anybody {
            return Ok(Identity { id: None, rights });
        }
        let key = CallerKey::parse(secret).ok_or_else(Problem::key_malformed)?;
        self.identify(&key)
    }

    fn identify(&self, key: &CallerKey<'_>) -> Result<Identity<'_>, Problem> {
        let caller = self.by_id.get(key.id());
        let keys = caller.map_or(NOBODYS_KEYS.as_slice(), |caller| &caller.keys);
        let matches = key.is_one_of(keys);
        match caller {
            Some(caller) if matches => Ok(Identity {
                id: Some(&caller.id),
                rights: &caller.rights,
            }),
            Some(_) | None => Err(Problem::key_wrong()),
        }
    }
}
