//! A broker with a few apps and callers, its HTTP interface, and how a test talks to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{Request, Response};
use actix_web::App;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{AppConfig, Service, ServiceFactory as _};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service};
use arc_swap::ArcSwap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use token_broker::app_secrets::AppSecrets;
use token_broker::broker::Broker;
use token_broker::config::{CallerConfig, Config, GatewayConfig};
use token_broker::domain::app_id::AppId;
use token_broker::domain::budget::Budget;
use token_broker::domain::caller::{CallerId, Paths, Rights, Verb};
use token_broker::domain::credential::{Credential, Kind, Mode};
use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::replica::Replica;
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::{Digest, Secret};
use token_broker::domain::time::{Moment, Timestamp, micros};
use token_broker::http::{
    ApiState, Callers, Limits, OpsState, PageSettings, Readiness, StatusPage, api, ops,
};
use token_broker::metrics::{MeteredStore, MeteredUpstream, Metrics};
use token_broker::ports::{Checked, Clock, Fetched, Subject, WeChatCalls, WeChatPassage};
use token_broker::refresher::Refresher;
use token_broker::scheduler::Scheduler;
use token_broker::snapshot::{Publisher, SlotId, snapshot};
use tokio_util::sync::CancellationToken;

use token_broker::calls::Calls;

use super::fakes::{MemoryStore, MovableClock, NoChance, NotTheFirst, ToldUpstream};

/// The app whose token is there from the start.
pub(crate) const SERVED: &str = "wx-served";
/// The app that has none.
pub(super) const EMPTY: &str = "wx-empty";
/// A token that must show up nowhere but where it is asked for.
pub(crate) const TOKEN: &str = "canary-token-with-\"quotes\"-and-\\";
/// The version it is served under.
pub(super) const VERSION: u64 = 1_790_000_000_000_000;

/// How long a request waits for a first token.
pub(super) const COLD_WAIT: Duration = Duration::from_millis(200);

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Rig {
    pub(super) clock: Arc<MovableClock>,
    pub(super) store: MemoryStore,
    pub(super) upstream: ToldUpstream,
    pub(super) metrics: Arc<Metrics>,
    pub(super) publisher: Publisher,
    pub(super) stopping: CancellationToken,
    broker: Broker,
    callers: Arc<ArcSwap<Callers>>,
    readiness: Readiness,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or("")
    }

    /// The code of the problem document, which is checked to be well-formed on the way.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        let code = document["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!(document["type"], format!("urn:token-broker:problem:{code}"));
        for key in ["title", "detail"] {
            assert!(document[key].as_str().is_some_and(|text| !text.is_empty()));
        }
        let wait = document["retry_after"].as_u64();
        assert_eq!(self.header("retry-after").parse().ok(), wait);
        code
    }
}

impl Rig {
    /// A broker whose write flow stands still.
    pub(super) fn new() -> Self {
        Self::build(MovableClock::new(), false, callers(), COLD_WAIT)
    }

    /// The same, whose requests wait for so long for a first token.
    pub(super) fn patient(cold_wait: Duration) -> Self {
        Self::build(MovableClock::new(), false, callers(), cold_wait)
    }

    /// A broker whose write flow works.
    pub(super) fn working() -> Self {
        Self::build(MovableClock::new(), true, callers(), COLD_WAIT)
    }

    /// The same, on a clock that stands still and before a WeChat that takes every token: a request is answered
    /// today as it was yesterday.
    pub(crate) fn standing() -> Self {
        let rig = Self::build(MovableClock::standing(), true, callers(), COLD_WAIT);
        rig.upstream.will_say(Checked::Accepted);
        rig
    }

    /// A broker without any caller.
    pub(super) fn open() -> Self {
        Self::build(MovableClock::new(), false, Vec::new(), COLD_WAIT)
    }

    fn build(
        clock: MovableClock,
        working: bool,
        callers: Vec<CallerConfig>,
        cold_wait: Duration,
    ) -> Self {
        let clock = Arc::new(clock);
        let apps = [SERVED, EMPTY].map(app);
        let metrics = Arc::new(Metrics::new());
        let tokens = apps.iter().map(|app| Subject {
            credential: Credential::access_token(app.clone(), Mode::Token),
            rules: rules().into(),
        });
        let ticket = Subject {
            credential: Credential::of(apps[0].clone(), Kind::JsapiTicket, Mode::Token),
            rules: Rules {
                checkable: false,
                ..rules()
            }
            .into(),
        };
        let subjects = tokens.chain([ticket]);
        let (publisher, reader, changes) = snapshot(clock.clone());
        publisher.configure(subjects.collect(), |subject| {
            Replica::new(subject.rules.clone(), false, 0.0)
        });
        apps.iter().for_each(|app| metrics.expect(app));
        let store = MemoryStore::new(clock.clone());
        let upstream = ToldUpstream::new();
        let refresher = Arc::new(Refresher {
            store: Arc::new(MeteredStore::new(store.clone(), metrics.store())),
            upstream: Arc::new(MeteredUpstream::new(upstream.clone(), metrics.upstream())),
            clock: clock.clone(),
            chance: Arc::new(NoChance::default()),
            publisher: publisher.clone(),
            recheck: Arc::default(),
            metrics: Arc::clone(&metrics),
            secrets: Arc::new(AppSecrets::new(apps.map(|app| (app, Secret::new("s"))))),
        });
        let (mut scheduler, desk) = Scheduler::new(refresher, changes, 64);
        let stopping = CancellationToken::new();
        let stop = stopping.clone();
        tokio::spawn(async move {
            if !working {
                // Kept, so that errands are neither done nor refused.
                stop.cancelled().await;
            }
            scheduler.run(&stop).await;
        });
        metrics.watch(reader.clone(), clock.clone());
        Self {
            broker: Broker::new(reader.clone(), desk, clock.clone(), cold_wait),
            callers: Arc::new(ArcSwap::from_pointee(Callers::new(callers))),
            readiness: Readiness::new(reader, clock.clone(), stopping.clone()),
            clock,
            store,
            upstream,
            metrics,
            publisher,
            stopping,
        }
    }

    /// Gives [`SERVED`] its token.
    pub(crate) fn serve(&self) -> &Self {
        let (now, id) = (self.clock.now(), self.id(SERVED));
        commit(&self.publisher, now, id, TOKEN, Version(VERSION));
        self
    }

    /// Has WeChat issue this token from now on.
    pub(super) fn issue(&self, token: &str) {
        self.upstream.will_issue(Fetched::Granted {
            value: Secret::new(token),
            digest: digest(token),
            life: Duration::from_secs(7200),
        });
    }

    pub(super) fn id(&self, appid: &str) -> SlotId {
        let found = self.broker.find(appid);
        found.unwrap_or_else(|| panic!("no {appid}"))
    }

    pub(super) fn api_state(&self) -> ApiState {
        self.api_state_with(NotTheFirst)
    }

    /// The same before this WeChat.
    pub(crate) fn api_state_with(
        &self,
        wechat: impl WeChatCalls + WeChatPassage + 'static,
    ) -> ApiState {
        let gateway = gateway();
        ApiState::new(
            Calls::new(
                self.broker.clone(),
                Arc::new(MeteredUpstream::new(wechat, self.metrics.upstream())),
                (&gateway).into(),
                self.metrics.calls(),
            ),
            self.callers.clone(),
            self.metrics.http(),
            1,
            &Limits {
                max_body: 4096,
                body_timeout: Duration::from_millis(300),
                max_streams: 2,
                stream_keep_alive: Duration::from_millis(100),
                ..Limits::default()
            },
            &gateway,
            self.stopping.clone(),
        )
    }

    /// Takes a caller away, as a reload of the configuration does.
    pub(super) fn withdraw(&self, caller: &str) {
        let left = callers().into_iter();
        let left = left.filter(|config| config.id.as_str() != caller);
        let left = self.callers.load().succeeded_by(left);
        self.callers.store(Arc::new(left));
    }

    pub(super) fn ops_state(&self) -> OpsState {
        OpsState::new(self.metrics.clone(), self.readiness.clone())
    }

    pub(super) fn page(&self) -> StatusPage {
        StatusPage::new(
            PageSettings {
                store: "redis",
                ..PageSettings::default()
            },
            self.broker.reader().clone(),
            self.clock.clone(),
            self.metrics.clone(),
            self.readiness.clone(),
        )
    }

    pub(super) async fn send(&self, request: TestRequest) -> Answer {
        let service = service(self.api_state()).await;
        let response = service.call(request.to_request()).await;
        answer(response.unwrap_or_else(|error| panic!("{error}"))).await
    }

    pub(super) async fn send_ops(&self, request: TestRequest) -> Answer {
        let (state, page) = (Arc::new(self.ops_state()), Arc::new(self.page()));
        let service = init_service(App::new().configure(ops(state, page))).await;
        let response = service.call(request.to_request()).await;
        answer(response.unwrap_or_else(|error| panic!("{error}")).into()).await
    }

    /// Asks with a caller's key.
    pub(super) async fn get(&self, caller: &str, path: &str) -> Answer {
        self.send(with_key(caller, TestRequest::get().uri(path)))
            .await
    }

    pub(super) async fn post(&self, caller: &str, path: &str, body: &str) -> Answer {
        let request = TestRequest::post().uri(path);
        let request = request.insert_header(("content-type", "application/json"));
        self.send(with_key(caller, request).set_payload(body.to_owned()))
            .await
    }
}

/// Has the replica hold this token, as one that was stored at `now`.
pub(super) fn commit(
    publisher: &Publisher,
    now: Moment,
    id: SlotId,
    token: &str,
    version: Version,
) {
    let grant = grant(token, version, now);
    let life = grant.life();
    publisher.update(id, |replica| replica.committed(grant, now.after(life), now));
}

/// This token, as one that was stored at `now`.
pub(super) fn grant(token: &str, version: Version, now: Moment) -> Grant {
    let issued_at = Timestamp::from_micros(micros(now.wall));
    Grant {
        version,
        value: Secret::new(token),
        digest: digest(token),
        issued_at,
        expires_at: issued_at + Duration::from_secs(7200),
    }
}

/// The API as a listener has it.
pub(crate) async fn service(
    state: ApiState,
) -> impl Service<Request, Response = Response<BoxBody>, Error = actix_web::Error> {
    let service = api(Arc::new(state)).new_service(AppConfig::default()).await;
    service.unwrap_or_else(|()| panic!("no service"))
}

pub(crate) async fn answer(response: Response<impl MessageBody>) -> Answer {
    let status = response.status();
    let headers = response.headers().clone();
    let body = to_bytes(response.into_body()).await;
    let body = body.unwrap_or_else(|_| panic!("a body that fails"));
    Answer {
        status,
        headers,
        body: body.to_vec(),
    }
}

pub(super) fn app(text: &str) -> AppId {
    AppId::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn digest(token: &str) -> Digest {
    Digest::new(Sha256::digest(token).into())
}

/// A caller's key, which differs from any other's.
pub(crate) fn key(caller: &str) -> String {
    format!("tbk_{caller}_{}", digest(caller))
}

/// The key that is to replace it.
pub(crate) fn next_key(caller: &str) -> String {
    format!("tbk_{caller}_{}", digest("next"))
}

pub(super) fn with_key(caller: &str, request: TestRequest) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {}", key(caller))))
}

fn gateway() -> GatewayConfig {
    let config = Config::load(None, std::iter::empty());
    config.unwrap_or_else(|errors| panic!("{errors}")).gateway
}

/// Each named after what it may do.
fn callers() -> Vec<CallerConfig> {
    let on = |id: &str, appid: &str, verbs: &[Verb]| {
        let mut rights = Rights::default();
        rights.allow_on(app(appid), verbs.iter().copied().collect(), &Paths::All);
        CallerConfig {
            id: CallerId::parse(id).unwrap_or_else(|error| panic!("{error}")),
            keys: vec![digest(&key(id)), digest(&next_key(id))],
            // A URI or a host: for one the one, for another the other.
            certificates: match id {
                "reader" => vec!["spiffe://tests/reader".to_owned()],
                "refresher" => vec!["refresher.tests".to_owned()],
                _ => Vec::new(),
            },
            rights,
            rate: (id == "paced").then_some(NonZeroU32::MIN),
        }
    };
    vec![
        on("reader", SERVED, &[Verb::Read]),
        on("caller", SERVED, &[Verb::Call]),
        on("refresher", SERVED, &[Verb::Refresh]),
        on("admin", SERVED, &[Verb::Admin]),
        on("paced", SERVED, &[Verb::Read]),
        on("all-on-empty", EMPTY, &Verb::ALL),
    ]
}

fn rules() -> Rules {
    let seconds = Duration::from_secs;
    Rules {
        mode: Mode::Token,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: seconds(360),
        lease: seconds(20),
        reconcile: seconds(30),
        watch: seconds(60),
        close_watch: seconds(15),
        overlap: seconds(300),
        timeout: seconds(5),
        backoff: (seconds(1), seconds(60)),
        budget: Budget::for_limit(2000, DAY),
        forced_budget: Budget::for_limit(20, DAY),
    }
}
