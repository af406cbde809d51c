//! The apps' AppSecrets: one place, swapped whole where the configuration changes, and looked at whenever a
//! secret is needed. So a call is made with the secret of that moment, and nothing holds a copy for later.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::app_id::AppId;
use crate::domain::secret::{Fingerprint, Secret};
use crate::fingerprint::secret_fingerprint;
use crate::ports::SecretSource;

/// The AppSecrets in force. `Debug` shows none.
#[derive(Debug, Default)]
pub struct AppSecrets(ArcSwap<HashMap<AppId, Known>>);

#[derive(Debug)]
struct Known {
    secret: Secret,
    /// Made beforehand: each lease is asked for with it.
    fingerprint: Fingerprint,
}

impl AppSecrets {
    /// These secrets are in force.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (AppId, Secret)>) -> Self {
        let known = |(app, secret): (AppId, Secret)| {
            let fingerprint = secret_fingerprint(&app, &secret);
            let known = Known {
                secret,
                fingerprint,
            };
            (app, known)
        };
        let all: HashMap<_, _> = secrets.into_iter().map(known).collect();
        Self(ArcSwap::from_pointee(all))
    }

    /// Puts these in force and no others. Answers whose secret is another one than before.
    pub fn replace(&self, secrets: impl IntoIterator<Item = (AppId, Secret)>) -> HashSet<AppId> {
        let after = Self::new(secrets).0.into_inner();
        let before = self.0.swap(Arc::clone(&after));
        let is_another = |(app, known): &(&AppId, &Known)| {
            let before = before.get(*app);
            before.is_some_and(|before| before.fingerprint != known.fingerprint)
        };
        let changed = after.iter().filter(is_another);
        changed.map(|(app, _)| app.clone()).collect()
    }

    /// Which secret an app has; `None` for one that has none.
    #[must_use]
    pub fn fingerprint(&self, app: &AppId) -> Option<Fingerprint> {
        self.0.load().get(app).map(|known| known.fingerprint)
    }
}

impl SecretSource for AppSecrets {
    fn secret(&self, app: &AppId) -> Option<Secret> {
        self.0.load().get(app).map(|known| known.secret.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(appid: &str) -> AppId {
        AppId::parse(appid).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn replacing_tells_whose_secret_is_another_one() {
        let secrets = AppSecrets::new([
            (app("kept"), Secret::new("a")),
            (app("rotated"), Secret::new("b")),
            (app("removed"), Secret::new("c")),
        ]);
        let before = secrets.fingerprint(&app("rotated"));
        let changed = secrets.replace([
            (app("kept"), Secret::new("a")),
            (app("rotated"), Secret::new("B")),
            (app("added"), Secret::new("d")),
        ]);
        assert_eq!(changed, HashSet::from([app("rotated")]));
        assert_ne!(secrets.fingerprint(&app("rotated")), before);
        assert_eq!(secrets.fingerprint(&app("removed")), None);
        let secret = secrets.secret(&app("rotated"));
        assert_eq!(secret.as_ref().map(Secret::expose), Some("B"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secrets = AppSecrets::new([(app("wx1"), Secret::new("canary"))]);
        assert!(!format!("{secrets:?}").contains("canary"));
    }
}
