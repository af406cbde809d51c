//! What the core needs of the world: a clock, a store, an upstream. Adapters fulfil these contracts;
//! decorators (metrics) wrap them; tests replace them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::api_path::ApiPath;
use crate::domain::app_id::AppId;
use crate::domain::credential::Credential;
use crate::domain::epoch::{Nonce, Version};
use crate::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, ForeignOrigin, Judge,
    Judged, PutBack, PutBackAnswer, Record, SetPause, Suspect,
};
use crate::domain::rules::Rules;
use crate::domain::secret::{Digest, Secret};
use crate::domain::time::{Moment, Timestamp};
use crate::domain::upstream_error::UpstreamError;

/// This machine's clocks.
pub trait Clock: Send + Sync {
    /// What they say now.
    fn now(&self) -> Moment;
}

/// Where chance comes from: injected, so that a test can repeat it.
pub trait Chance: Send + Sync {
    /// Anywhere in 0..1.
    fn unit(&self) -> f64;
    /// A number that nobody else draws.
    fn nonce(&self) -> Nonce;
}

/// An answer of the store, with the store's time at which it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped<T> {
    /// The store's time.
    pub at: Timestamp,
    /// The answer.
    pub answer: T,
}

/// What `begin` answers through a store.
#[derive(Clone, Debug, PartialEq)]
pub struct BegunIn {
    /// What the protocol answers.
    pub begun: Begun,
    /// Whether the change is on a second machine too, where the store has one: an unconfirmed lease may
    /// be lost in a failover, and is not fetched under unless the grant is about to expire.
    pub confirmed: bool,
}

/// Where all replicas keep what they share. Every change is atomic and takes the store's own time.
///
/// Each call has a bound on how long it may take, far below the shortest lease. After [`StoreError::Away`]
/// a change may or may not have been made; every change may be asked for again.
#[async_trait]
pub trait Store: Send + Sync {
    /// Asks for the right to fetch. A granted lease is durable when this answers.
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError>;
    /// Stores what was fetched and tells the other replicas.
    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError>;
    /// Takes note of an attempt that brought nothing.
    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError>;
    /// Gives an unused lease back.
    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError>;
    /// Asks for the right to check a version.
    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError>;
    /// Takes note of what a check said; tells the other replicas of a death.
    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError>;
    /// Puts a grant back that the store lost, and tells the other replicas.
    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError>;
    /// Makes the credential suspect, and tells the other replicas.
    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError>;
    /// Pauses or resumes, and tells the other replicas.
    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError>;
    /// Reads the records of several credentials, each atomically, in the order asked for. An error that
    /// concerns one record is that record's alone; an outer error means that the store is away.
    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError>;
    /// Asks the other replicas whether they hold a grant of this credential. No answer comes back: one
    /// that does puts it back.
    async fn ask(&self, of: &Subject) -> Result<(), StoreError>;
    /// Whether other replicas may share this store.
    fn is_shared(&self) -> bool;
    /// Whether the store was seen to throw records away when its memory is full.
    fn evicts(&self) -> bool {
        false
    }
    /// What was wrong with the way to the store lately, and which key of the configuration to look at.
    fn complaint(&self) -> Option<String> {
        None
    }
}

/// Why a stored grant is refused: a closed set, also the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealRefusal {
    /// It is sealed under a key that this replica lacks. It is left to those who have it.
    UnknownKey,
    /// It was changed since it was sealed, or belongs to another record.
    Damaged,
    /// It is one from before the latest commit.
    Replayed,
    /// It is in the clear, and the configuration asks for sealed ones.
    Unsealed,
}

impl SealRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::UnknownKey,
        Self::Damaged,
        Self::Replayed,
        Self::Unsealed,
    ];

    /// The word for it in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::Damaged => "damaged",
            Self::Replayed => "replayed",
            Self::Unsealed => "unsealed",
        }
    }

    /// The same in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::UnknownKey => "no key of this replica opens it",
            Self::Damaged => "it was changed since it was sealed, or belongs to another record",
            Self::Replayed => "it is one from before the latest commit",
            Self::Unsealed => "it is not sealed, and store.sealing = \"required\"",
        }
    }
}

/// Is told of every stored grant that a store opens or refuses.
pub trait SealWatch: Send + Sync {
    /// One was opened, by the key of this id, or was in the clear.
    fn opened(&self, key: Option<&str>);
    /// One was refused.
    fn refused(&self, why: SealRefusal);
}

/// Nobody is told.
impl SealWatch for () {
    fn opened(&self, _key: Option<&str>) {}
    fn refused(&self, _why: SealRefusal) {}
}

/// Which record, and the rules it is kept by.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Which credential.
    pub credential: Credential,
    /// Its rules, shared by all that are kept by the same.
    pub rules: Arc<Rules>,
}

/// What the store tells a replica without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A credential's record was changed by somebody; the version it is at now.
    Changed(Credential, Version),
    /// Another replica asks whether anybody holds a grant.
    Asked(Credential),
    /// The connection was made again: signals may have been missed, and it may be another machine.
    Reconnected,
}

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No connection, or no answer in time. What was asked may or may not have happened.
    #[error("the store is away: {0}")]
    Away(String),
    /// It answered, and refuses: no right, no memory, read-only, no disk.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The keys belong to brokers of another upstream.
    #[error(transparent)]
    Foreign(#[from] ForeignOrigin),
    /// A record that this release does not understand: of a newer one, or damaged. It is left as it is.
    #[error("the stored record cannot be read and was left as it is: {0}")]
    Unreadable(String),
}

/// Where the AppSecrets are found.
pub trait SecretSource: Send + Sync {
    /// An app's AppSecret as it is now: to be asked for with every call, and kept no longer than that.
    fn secret(&self, app: &AppId) -> Option<Secret>;
}

/// WeChat's API, as far as the core needs it.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// One fetch of an access token: one attempt on a connection of its own, no redirect, no retry. `force`
    /// asks for `force_refresh` (stable mode only).
    async fn fetch(&self, credential: &Credential, force: bool) -> Fetched;
    /// One fetch of a ticket with the app's access token, likewise. 40001, 40014 or 42001 says that this
    /// token is not accepted.
    async fn fetch_ticket(&self, credential: &Credential, access_token: &Secret) -> Fetched;
    /// Asks with a cheap call whether a token is accepted.
    async fn check(&self, credential: &Credential, token: &Secret) -> Checked;
    /// What was wrong with the way to upstream lately, and which key of the configuration to look at.
    fn complaint(&self) -> Option<String> {
        None
    }
}

/// How a fetch ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    /// Upstream issued this.
    Granted {
        /// The token.
        value: Secret,
        /// SHA-256 of it.
        digest: Digest,
        /// What upstream said of its life, counted from before the request.
        life: Duration,
    },
    /// A well-formed error: no grant was issued.
    Refused(UpstreamError),
    /// The request never left this machine.
    NotSent(String),
    /// A grant may have been issued: no answer, half an answer, or one that cannot be a token.
    Ambiguous(String),
}

/// What a check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The token is accepted.
    Accepted,
    /// 40001, 40014 or 42001.
    Refused(UpstreamError),
    /// Upstream answered something that says nothing about the token.
    Inconclusive(UpstreamError),
    /// No answer, or none that is WeChat's.
    Away(String),
}

/// WeChat's other calls, which the broker makes for its callers.
#[async_trait]
pub trait WeChatCalls: Send + Sync {
    /// Sends one call for an app: once, with a bound on its time and on the size of the reply, following no
    /// redirect. Without an app, it is a call with a person's token, which may be of any.
    async fn send(&self, app: Option<&AppId>, call: Outgoing) -> Called;
}

/// A call to be sent. Not `Debug`: it holds tokens and codes.
pub struct Outgoing {
    /// WeChat's path.
    pub path: &'static str,
    /// The query, in this order.
    pub query: Vec<(&'static str, Argument)>,
    /// The body, JSON; with one, the call is a `POST`, without, a `GET`.
    pub body: Option<Vec<u8>>,
    /// Whether it must not reach WeChat twice: then it gets a connection of its own, since one that is
    /// reused may be found closed after the request was written.
    pub single_use: bool,
}

/// A parameter's value.
pub enum Argument {
    /// Nothing secret.
    Plain(String),
    /// A token or a code.
    Secret(Secret),
    /// The app's AppSecret, which only the adapter knows.
    AppSecret,
}

/// How a call ended. Not `Debug`: a reply may hold tokens.
pub enum Called {
    /// The reply: one JSON object, without a doubled key, that tells of no error.
    Answered(Vec<u8>),
    /// A well-formed error.
    Refused(UpstreamError),
    /// The request never left this machine.
    NotSent(String),
    /// WeChat may have seen it; there is no reply that can be used.
    Unclear(String),
}

/// WeChat's whole API, for callers who know it themselves.
#[async_trait]
pub trait WeChatPassage: Send + Sync {
    /// Passes one call on: sent once, following no redirect. Whoever asks bounds the time. Nothing in what comes
    /// back is the token that was put in.
    async fn pass(&self, app: &AppId, passing: Passing) -> Passed;
}

/// A call to be passed on. Not `Debug`: it holds a token, and whatever the caller wrote.
pub struct Passing {
    /// How it is asked.
    pub method: Method,
    /// For what.
    pub path: ApiPath,
    /// The query, decoded, in its order; without the token.
    pub query: Vec<(String, String)>,
    /// The token to put in.
    pub token: Secret,
    /// What the caller says its body is.
    pub content_type: Option<String>,
    /// What the caller wants to hear.
    pub accept: Option<String>,
    /// The body.
    pub body: Upload,
}

/// How WeChat is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// The body of a call that is passed on.
pub enum Upload {
    /// All of it is here: it can be sent again.
    Whole(Bytes),
    /// It comes as the caller sends it.
    Stream {
        /// How long it says it is.
        length: Option<u64>,
        /// What comes.
        chunks: Chunks,
    },
}

/// A body as it comes. One that ends without having been whole ends in an error.
pub type Chunks = BoxStream<'static, Result<Bytes, Cut>>;

/// A body ended before it was whole; why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cut(pub String);

/// What came back.
pub enum Passed {
    /// WeChat answered.
    Answered(Reply),
    /// The request never left this machine.
    NotSent(String),
    /// WeChat may have seen it; there is no reply that can be used.
    Unclear(String),
}

/// A reply of WeChat's, of status 200.
pub struct Reply {
    /// The error that it tells of; 0 where it tells of none.
    pub errcode: i64,
    /// What its body is said to be.
    pub content_type: Option<String>,
    /// How a file in it is to be called.
    pub content_disposition: Option<String>,
    /// Its body.
    pub body: ReplyBody,
}

/// The body of a reply.
pub enum ReplyBody {
    /// All of it is here.
    Whole(Bytes),
    /// It comes as WeChat sends it.
    Stream {
        /// How long it says it is.
        length: Option<u64>,
        /// What comes.
        chunks: Chunks,
    },
}
