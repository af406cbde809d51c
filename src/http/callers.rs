//! Who may ask: the configured callers, found by the key they send or the certificate they have shown.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use foldhash::fast::RandomState;

use super::problem::Problem;
use super::rate::Rate;
use super::shown::ShownNames;
use crate::calls::{RENEW, WEB_CHECK, WEB_USER};
use crate::config::CallerConfig;
use crate::domain::app_id::AppId;
use crate::domain::caller::{CallerId, Paths, Rights, Verb};
use crate::domain::secret::Digest;
use crate::key::CallerKey;

/// All callers.
#[derive(Debug)]
pub struct Callers {
    by_id: ById,
    /// Whose client certificate has this name.
    by_certificate: HashMap<String, CallerId>,
    /// Where no caller is configured, everybody may do everything.
    anybody: Option<Rights>,
    /// What any of them may do.
    together: Rights,
    /// Those of the paths that a person's token opens which any of them may ask for, for any app.
    open_somewhere: Vec<&'static str>,
}

/// By a quick hash: nobody but who configures the callers chooses what is in it.
type ById = HashMap<CallerId, Known, RandomState>;

/// A caller with its pace.
#[derive(Debug)]
struct Known {
    config: CallerConfig,
    rate: Option<Arc<Rate>>,
}

impl Known {
    fn identity(&self) -> Identity<'_> {
        Identity {
            id: Some(&self.config.id),
            rights: &self.config.rights,
            rate: self.rate.as_deref(),
        }
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    /// Its name; `None` where no caller is configured.
    pub(super) id: Option<&'a CallerId>,
    /// What it may do.
    pub(super) rights: &'a Rights,
    rate: Option<&'a Rate>,
}

impl Identity<'_> {
    /// Counts one request of this caller.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        self.rate.map_or(Ok(()), Rate::admit)
    }
}

/// Compared with the keys of callers that do not exist: an id that nobody has costs what one costs that
/// somebody has.
const NOBODYS_KEYS: [Digest; 1] = [Digest::new([0; 32])];

impl Callers {
    /// The configured callers. With none, every request is allowed everything and needs no key: the
    /// configuration sees to it that this is only so on a loopback address.
    #[must_use]
    pub fn new(callers: impl IntoIterator<Item = CallerConfig>) -> Self {
        Self::build(callers, &ById::default())
    }

    /// Those that take the place of these. Whoever keeps its rate keeps its pace: a reload is no fresh
    /// burst.
    #[must_use]
    pub fn succeeded_by(&self, callers: impl IntoIterator<Item = CallerConfig>) -> Self {
        Self::build(callers, &self.by_id)
    }

    fn build(callers: impl IntoIterator<Item = CallerConfig>, before: &ById) -> Self {
        let by_id: ById = callers
            .into_iter()
            .map(|config| {
                let kept = before.get(config.id.as_str());
                let kept = kept.filter(|known| known.config.rate == config.rate);
                let rate = match kept {
                    Some(known) => known.rate.clone(),
                    None => config.rate.map(Rate::new).map(Arc::new),
                };
                (config.id.clone(), Known { config, rate })
            })
            .collect();
        let anybody = by_id.is_empty().then(|| {
            let mut rights = Rights::default();
            rights.allow_everywhere(Verb::ALL.into_iter().collect(), &Paths::All);
            rights
        });
        let mut together = anybody.clone().unwrap_or_default();
        for known in by_id.values() {
            together.add(&known.config.rights);
        }
        let mut open_somewhere = vec![RENEW, WEB_USER, WEB_CHECK];
        open_somewhere.retain(|path| together.opens_somewhere(path));
        let names = by_id.values().flat_map(|known| {
            let config = &known.config;
            let of_caller = |name: &String| (name.clone(), config.id.clone());
            config.certificates.iter().map(of_caller)
        });
        Self {
            by_certificate: names.collect(),
            by_id,
            anybody,
            together,
            open_somewhere,
        }
    }

    /// Whether any caller may ask for this path, for this app.
    pub(super) fn open(&self, app: &AppId, path: &str) -> bool {
        self.together.opens(app, path)
    }

    /// Whether any caller may ask for this one of the paths that a person's token opens, for any app.
    pub(super) fn open_somewhere(&self, path: &'static str) -> bool {
        self.open_somewhere.contains(&path)
    }

    /// Whose key these headers carry; without one, whose certificate the connection has shown.
    pub(super) fn authenticate<'s>(
        &self,
        headers: &HeaderMap,
        shown: impl FnOnce() -> Option<&'s ShownNames>,
    ) -> Result<Identity<'_>, Problem> {
        if let Some(rights) = &self.anybody {
            return Ok(Identity {
                id: None,
                rights,
                rate: None,
            });
        }
        let mut sent = headers.get_all(AUTHORIZATION);
        let Some(header) = sent.next() else {
            return self.by_certificate(shown());
        };
        if sent.next().is_some() {
            return Err(Problem::key_malformed());
        }
        let key = CallerKey::from_authorization(header).ok_or_else(Problem::key_malformed)?;
        self.identify(&key)
    }

    /// Whose key stands where an unmodified client puts the AppSecret.
    pub(super) fn authenticate_secret(&self, secret: &str) -> Result<Identity<'_>, Problem> {
        if let Some(rights) = &self.anybody {
            return Ok(Identity {
                id: None,
                rights,
                rate: None,
            });
        }
        let key = CallerKey::parse(secret).ok_or_else(Problem::key_malformed)?;
        self.identify(&key)
    }

    fn identify(&self, key: &CallerKey<'_>) -> Result<Identity<'_>, Problem> {
        let caller = self.by_id.get(key.id());
        let keys = caller.map_or(NOBODYS_KEYS.as_slice(), |caller| &caller.config.keys);
        let matches = key.is_one_of(keys);
        match caller {
            Some(caller) if matches => Ok(caller.identity()),
            Some(_) | None => Err(Problem::key_wrong()),
        }
    }

    fn by_certificate(&self, shown: Option<&ShownNames>) -> Result<Identity<'_>, Problem> {
        let shown = shown.ok_or_else(Problem::key_missing)?;
        let id = shown.iter().find_map(|name| self.by_certificate.get(name));
        let caller = id.and_then(|id| self.by_id.get(id));
        caller
            .map(Known::identity)
            .ok_or_else(Problem::certificate_unknown)
    }
}
