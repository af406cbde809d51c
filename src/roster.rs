//! What a configuration asks to be kept: every app's credentials, by which rules, with which AppSecret. Taken
//! over here at the start, and again whenever the configuration changes.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::app_secrets::AppSecrets;
use crate::config::{AppConfig, Config};
use crate::domain::app_id::AppId;
use crate::domain::replica::Replica;
use crate::domain::rules::Rules;
use crate::metrics::Metrics;
use crate::ports::{Chance, Subject};
use crate::snapshot::{Difference, Publisher};

/// Takes configurations over.
pub struct Roster {
    /// Who keeps what is kept.
    pub publisher: Publisher,
    /// Where the AppSecrets are looked up.
    pub secrets: Arc<AppSecrets>,
    /// Which apps are counted for.
    pub metrics: Arc<Metrics>,
    /// Jitter.
    pub chance: Arc<dyn Chance>,
    /// Whether other replicas may share the store.
    pub shared: bool,
}

/// What a configuration changed.
#[derive(Debug)]
pub struct Change {
    /// Which credentials.
    pub credentials: Difference,
    /// Whose AppSecret is another one.
    pub rotated: HashSet<AppId>,
}

impl Roster {
    /// Has exactly the apps of `config` kept and served from now on. What a newcomer needs to know is still to
    /// be read from the store.
    pub fn take_over(&self, config: &Config) -> Change {
        // First: a credential that is kept needs its secret.
        let secret = |app: &AppConfig| (app.appid.clone(), app.secret.clone());
        let rotated = self.secrets.replace(config.apps.iter().map(secret));
        let newcomer = |subject: &Subject| {
            Replica::new(Arc::clone(&subject.rules), self.shared, self.chance.unit())
                .in_phase(subject.credential.phase())
        };
        let credentials = self.publisher.configure(subjects(config), newcomer);
        for id in self.publisher.ids() {
            if rotated.contains(&self.publisher.credential(id).app) {
                self.publisher.update(id, Replica::secret_changed);
            }
        }
        self.count(&credentials);
        Change {
            credentials,
            rotated,
        }
    }

    /// An app that is new starts at zero, so that a rate or an alert works from its first event on; one that is
    /// gone has no series.
    fn count(&self, difference: &Difference) {
        let app = |id| &self.publisher.credential(id).app;
        let kept: HashSet<_> = self.publisher.ids().into_iter().map(app).collect();
        let removed = difference.removed.iter().map(|id| app(*id));
        let gone: HashSet<_> = removed.filter(|app| !kept.contains(app)).collect();
        if !gone.is_empty() {
            self.metrics.forget(&gone);
        }
        for id in &difference.added {
            self.metrics.expect(app(*id));
        }
    }
}

/// Every credential of a configuration, with its rules. Ten thousand apps are mostly kept by the same few, so
/// that those of a neighbour are shared where they are equal.
fn subjects(config: &Config) -> Vec<Subject> {
    const NEIGHBOURS: usize = 8;
    let mut lately: VecDeque<Arc<Rules>> = VecDeque::with_capacity(NEIGHBOURS);
    let mut shared = |rules: Rules| {
        if let Some(known) = lately.iter().find(|known| ***known == rules) {
            return Arc::clone(known);
        }
        let rules = Arc::new(rules);
        lately.truncate(NEIGHBOURS - 1);
        lately.push_front(Arc::clone(&rules));
        rules
    };
    let mut subjects = Vec::with_capacity(config.apps.len());
    for app in &config.apps {
        subjects.extend(app.credentials().map(|credential| Subject {
            rules: shared(app.rules(&credential, &config.refresh, &config.upstream)),
            credential,
        }));
    }
    subjects
}
