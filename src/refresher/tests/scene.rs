//! A refresher whose store and upstream do as they are told, and whose clock stands still unless it is moved.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::format::FmtSpan;

use super::shelf::Shelf;
use super::wechat::WeChat;
use crate::app_secrets::AppSecrets;
use crate::domain::app_id::AppId;
use crate::domain::budget::Budget;
use crate::domain::credential::{Credential, Kind, Mode};
use crate::domain::epoch::Nonce;
use crate::domain::history::What;
use crate::domain::protocol::{Reason, Record};
use crate::domain::replica::Replica;
use crate::domain::rules::Rules;
use crate::domain::secret::{Digest, Secret};
use crate::domain::time::Moment;
use crate::domain::upstream_error::UpstreamError;
use crate::metrics::Metrics;
use crate::ports::{Chance, Clock, Fetched, StoreError, Subject};
use crate::refresher::{Refresher, StepEnd};
use crate::snapshot::{SlotId, snapshot};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const LIFE: Duration = Duration::from_secs(7200);

/// What a test may look at, or set, while the refresher holds it too.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Boot clock, wall clock and the store's, which agree.
pub(crate) struct Hands(Mutex<Duration>);

impl Hands {
    pub(crate) fn advance(&self, by: Duration) {
        *held(&self.0) += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        let boot = *held(&self.0);
        let wall = Duration::from_secs(1_700_000_000) + boot;
        Moment { boot, wall }
    }
}

/// The middle of everything, and nonces in a row.
#[derive(Default)]
struct Row(Mutex<u128>);

impl Chance for Row {
    fn unit(&self) -> f64 {
        0.5
    }

    fn nonce(&self) -> Nonce {
        let mut last = held(&self.0);
        *last += 1;
        Nonce(*last)
    }
}

/// What a token of this number is.
pub(crate) fn token(number: u8) -> (Secret, Digest) {
    let value = Secret::new(format!("token {number}"));
    (value, Digest::new([number; 32]))
}

pub(crate) fn granted(number: u8) -> Fetched {
    let (value, digest) = token(number);
    Fetched::Granted {
        value,
        digest,
        life: LIFE,
    }
}

pub(crate) fn error(code: i64) -> UpstreamError {
    UpstreamError {
        code,
        message: String::from("no"),
        rid: None,
        ip: None,
    }
}

pub(crate) fn away() -> StoreError {
    StoreError::Away(String::from("no answer"))
}

fn rules(mode: Mode) -> Rules {
    let budget = Budget::for_limit(2000, MINUTE * 1440);
    Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: MINUTE * 6,
        lease: MINUTE / 3,
        reconcile: MINUTE / 2,
        watch: MINUTE,
        close_watch: MINUTE / 4,
        overlap: MINUTE * 5,
        timeout: MINUTE / 12,
        backoff: (SECOND, MINUTE),
        budget,
        forced_budget: budget,
    }
}

fn subject(number: usize, mode: Mode) -> Subject {
    let app = format!("wx{number:016x}");
    let app = AppId::parse(&app).unwrap_or_else(|error| panic!("{error}"));
    Subject {
        credential: Credential::access_token(app, mode),
        rules: Arc::new(rules(mode)),
    }
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        held(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A refresher of some apps, and all that it reaches.
pub(crate) struct Scene {
    pub(crate) refresher: Arc<Refresher>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) store: Arc<Shelf>,
    pub(crate) upstream: Arc<WeChat>,
    /// Of what is kept, in the order in which it was named: an access token for each app.
    pub(crate) ids: Vec<SlotId>,
    log: Paper,
    _logging: DefaultGuard,
}

impl Scene {
    pub(crate) fn new(mode: Mode) -> Self {
        Self::of(1, mode)
    }

    pub(crate) fn of(apps: usize, mode: Mode) -> Self {
        Self::keeping((0..apps).map(|number| subject(number, mode)).collect())
    }

    /// An app with a ticket, which is the second that is kept.
    pub(crate) fn with_a_ticket() -> Self {
        let token = subject(0, Mode::Token);
        let app = token.credential.app.clone();
        let ticket = Subject {
            credential: Credential::of(app, Kind::JsapiTicket, Mode::Token),
            rules: Arc::new(Rules {
                checkable: false,
                ..rules(Mode::Token)
            }),
        };
        Self::keeping(vec![token, ticket])
    }

    fn keeping(subjects: Vec<Subject>) -> Self {
        let clock = Arc::new(Hands(Mutex::new(MINUTE * 60)));
        let store = Arc::new(Shelf::new(Arc::clone(&clock)));
        let upstream = Arc::new(WeChat::default());
        let (publisher, _, _) = snapshot(clock.clone());
        let credentials: Vec<_> = subjects.iter().map(|of| of.credential.clone()).collect();
        let secrets = subjects.iter().map(|subject| {
            let app = subject.credential.app.clone();
            (app, Secret::new("plainly fake"))
        });
        let secrets = Arc::new(AppSecrets::new(secrets));
        let newcomer = |subject: &Subject| Replica::new(Arc::clone(&subject.rules), true, 0.5);
        publisher.configure(subjects, newcomer);
        let log = Paper::default();
        let paper = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(move || paper.clone())
            .finish();
        Self {
            ids: credentials
                .iter()
                .filter_map(|credential| publisher.find(credential))
                .collect(),
            refresher: Arc::new(Refresher {
                store: store.clone(),
                upstream: upstream.clone(),
                clock: clock.clone(),
                chance: Arc::new(Row::default()),
                publisher,
                metrics: Arc::new(Metrics::new()),
                recheck: Arc::new(Notify::new()),
                secrets,
            }),
            clock,
            store,
            upstream,
            log,
            _logging: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The first app.
    pub(crate) fn id(&self) -> SlotId {
        self.ids[0]
    }

    pub(crate) fn subject(&self) -> Arc<Subject> {
        self.refresher.publisher.subject(self.id())
    }

    /// What is kept for people of the first app, the newest first.
    pub(crate) fn happened(&self) -> Vec<(What, u32)> {
        let id = self.id();
        self.refresher.publisher.inspect(id, |replica| {
            let view = replica.view(self.clock.now());
            let events = view.history.events();
            events
                .map(|event| (event.what.clone(), event.times))
                .collect()
        })
    }

    /// How many lines of the log say so.
    pub(crate) fn lines(&self, words: &str) -> usize {
        let log = String::from_utf8_lossy(&held(&self.log.0)).into_owned();
        log.lines().filter(|line| line.contains(words)).count()
    }

    /// Whether whoever follows the store was told to look again soon; once.
    pub(crate) async fn is_to_look_again(&self) -> bool {
        let told = self.refresher.recheck.notified();
        tokio::time::timeout(Duration::from_millis(1), told)
            .await
            .is_ok()
    }

    /// What is counted under this name, in all its series together.
    pub(crate) fn counted(&self, name: &str) -> f64 {
        let text = self.refresher.metrics.render();
        let of_it = |line: &&str| !line.starts_with('#') && line.contains(name);
        let values = text.lines().filter(of_it).filter_map(|line| {
            let (_, value) = line.rsplit_once(' ')?;
            value.parse::<f64>().ok()
        });
        values.sum()
    }

    /// The first app is fetched a token of this number, as it should be.
    pub(crate) async fn serves(&self, number: u8) {
        self.upstream.issues(granted(number));
        let end = self.refresher.refresh(self.id(), Reason::Missing).await;
        assert_eq!(end, StepEnd::Done);
    }

    /// The number of the token that the first app is served.
    pub(crate) fn served(&self) -> Option<u8> {
        let now = self.clock.now();
        let publisher = &self.refresher.publisher;
        let held = publisher.inspect(self.id(), |replica| replica.live(now).cloned());
        let held = held?;
        (0..u8::MAX).find(|number| token(*number).1 == held.digest)
    }

    /// The first app's record in the store.
    pub(crate) fn stored(&self) -> Record {
        self.store.edit(&self.subject(), |record, _| record.clone())
    }
}
