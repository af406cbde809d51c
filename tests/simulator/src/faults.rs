//! What goes wrong on demand. A fault says what happens to a call, and whether WeChat still acts on it: a lost
//! reply after a rotation is a different accident from a request that never arrived.

mod book;
pub(crate) mod form;
mod garbage;
pub(crate) mod rendering;

use std::time::Duration;

use crate::platform::calls::Endpoint;

pub(crate) use book::FaultBook;
pub use book::FaultId;
pub use garbage::Garbage;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request is slow: WeChat acts after this time, even if the caller has given up by then.
    DelayThenAct(Duration),
    /// The reply is slow: WeChat acts at once.
    ActThenDelay(Duration),
    /// No reply ever comes, and the connection stays open.
    Hang {
        /// Whether WeChat acts.
        acts: bool,
    },
    /// The connection is closed and nothing happens.
    CutBefore,
    /// WeChat acts, and the connection is closed without a reply.
    ActThenCut,
    /// WeChat acts, and the connection is closed in the middle of the reply's body.
    HalfReply,
    /// WeChat acts, and nothing comes after the first half of the reply's body; the connection stays open.
    HalfThenSilence,
    /// This HTTP status, and nothing happens.
    Status(u16),
    /// WeChat acts, and the reply is this HTTP status.
    ActThenStatus(u16),
    /// This WeChat error, and nothing happens.
    Errcode(i64),
    /// A reply that is not as it should be.
    Garbage {
        /// In what way.
        what: Garbage,
        /// Whether WeChat acts; if not, a token in the reply is one that was never issued.
        acts: bool,
    },
    /// WeChat acts, and answers with the current token of another app (issued now if that has none).
    WrongAppsToken,
}

impl FaultKind {
    /// Its name in the record of calls and in the control API.
    pub fn name(self) -> &'static str {
        match self {
            Self::DelayThenAct(_) => "delay_then_act",
            Self::ActThenDelay(_) => "act_then_delay",
            Self::Hang { .. } => "hang",
            Self::CutBefore => "cut_before",
            Self::ActThenCut => "act_then_cut",
            Self::HalfReply => "half_reply",
            Self::HalfThenSilence => "half_then_silence",
            Self::Status(_) => "status",
            Self::ActThenStatus(_) => "act_then_status",
            Self::Errcode(_) => "errcode",
            Self::Garbage { .. } => "garbage",
            Self::WrongAppsToken => "wrong_apps_token",
        }
    }

    /// Whether WeChat acts on the call.
    pub fn acts(self) -> bool {
        match self {
            Self::DelayThenAct(_)
            | Self::ActThenDelay(_)
            | Self::ActThenCut
            | Self::HalfReply
            | Self::HalfThenSilence
            | Self::ActThenStatus(_)
            | Self::WrongAppsToken => true,
            Self::Hang { acts } | Self::Garbage { acts, .. } => acts,
            Self::CutBefore | Self::Status(_) | Self::Errcode(_) => false,
        }
    }
}

/// A fault and the calls it meets: by default every call of every endpoint, until it is removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    kind: FaultKind,
    endpoints: Vec<Endpoint>,
    appid: Option<String>,
    times: Option<u32>,
    probability: f64,
}

impl Fault {
    /// This happens.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            endpoints: Vec::new(),
            appid: None,
            times: None,
            probability: 1.0,
        }
    }

    /// Garbage in reply to a call that WeChat acts on.
    pub fn garbage(what: Garbage) -> Self {
        Self::new(FaultKind::Garbage { what, acts: true })
    }

    /// Garbage in reply to a call that WeChat does not act on.
    pub fn garbage_without_acting(what: Garbage) -> Self {
        Self::new(FaultKind::Garbage { what, acts: false })
    }

    /// Only on this endpoint; named again, on each of those named.
    #[must_use]
    pub fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Only where the call is about this app.
    #[must_use]
    pub fn for_app(mut self, appid: impl Into<String>) -> Self {
        self.appid = Some(appid.into());
        self
    }

    /// This often, and then no more.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// On this share of the calls, from 0 to 1, decided by the seed of the settings.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability.clamp(0.0, 1.0);
        self
    }

    fn concerns(&self, endpoint: Endpoint, appid: Option<&str>) -> bool {
        (self.endpoints.is_empty() || self.endpoints.contains(&endpoint))
            && (self.appid.is_none() || self.appid.as_deref() == appid)
    }
}
