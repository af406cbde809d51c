//! The gateway: a caller's own call, passed on with the app's token in it, and WeChat's reply passed back.
//!
//! Refused for its token, a call is made once more where its body was kept and looking into the refusal (a report)
//! brought another token. Everything is bounded: how many calls there are for an app, how long nothing may move, how
//! long the whole may take, and how long a reply may be.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::pipe::{Feeder, Progress, pipe};
use super::places::{Place, Places};
use super::{CallError, Calls};
use crate::config::GatewayConfig;
use crate::domain::api_path::ApiPath;
use crate::domain::secret::{Digest, Secret};
use crate::ports::{Chunks, Cut, Method, Passed, Passing, Reply, ReplyBody, Upload};
use crate::snapshot::SlotId;

/// What a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassageLimits {
    /// How long nothing may move.
    pub timeout: Duration,
    /// How long one call may take in all.
    pub longest: Duration,
    /// The most bytes of a reply.
    pub max_reply: u64,
    /// Calls under way for one app.
    pub side_by_side: usize,
}

impl From<&GatewayConfig> for PassageLimits {
    fn from(config: &GatewayConfig) -> Self {
        Self {
            timeout: config.timeout,
            longest: config.longest,
            max_reply: config.max_reply,
            side_by_side: config.side_by_side,
        }
    }
}

/// A call as its caller makes it. Not `Debug`: it is the caller's own.
pub struct Passage {
    /// How it is asked.
    pub method: Method,
    /// For what.
    pub path: ApiPath,
    /// The query, decoded; without a token.
    pub query: Vec<(String, String)>,
    /// What the body is said to be.
    pub content_type: Option<String>,
    /// What the caller wants to hear.
    pub accept: Option<String>,
    /// The body.
    pub body: Upload,
    /// Where the body streams: when it last moved.
    pub progress: Option<Progress>,
}

/// What came back.
pub struct Answer {
    /// WeChat's reply.
    pub reply: Reply,
    /// Whether WeChat refuses the token, and asking for another is of no use: there is none, or a refusal of it
    /// followed.
    pub in_vain: bool,
}

/// The limits, and the places that are taken.
#[derive(Clone)]
pub(super) struct Gate {
    limits: PassageLimits,
    pub(super) places: Places,
}

impl Gate {
    pub(super) fn new(limits: PassageLimits) -> Self {
        Self {
            places: Places::new(limits.side_by_side),
            limits,
        }
    }
}

impl Calls {
    /// Passes one call on.
    ///
    /// # Errors
    /// There is no place or no token for it, it could not be sent, or no usable reply came.
    pub async fn pass(&self, id: SlotId, passage: Passage) -> Result<Answer, CallError> {
        let place = self.gate.places.take(Some(id));
        let place = place.ok_or(CallError::TooMany(self.gate.places.most()))?;
        let deadline = Instant::now() + self.gate.limits.longest;
        let answered = timeout_at(deadline, self.pass_within(id, passage)).await;
        let mut answer = answered.map_err(|_| too_long(self.gate.limits.longest))??;
        answer.reply.body = match answer.reply.body {
            whole @ ReplyBody::Whole(_) => whole,
            ReplyBody::Stream { length, chunks } => {
                let most = self.gate.limits.max_reply;
                if length.is_some_and(|length| length > most) {
                    return Err(reply_too_large(most));
                }
                let chunks = relay(chunks, self.gate.limits, deadline, place);
                ReplyBody::Stream { length, chunks }
            }
        };
        Ok(answer)
    }

    async fn pass_within(&self, id: SlotId, mut passage: Passage) -> Result<Answer, CallError> {
        let served = self.broker.token(id).await.map_err(CallError::NoToken)?;
        let again = passage.kept();
        let reply = self
            .pass_once(id, &mut passage, &served.grant.value)
            .await?;
        if !is_about_token(&reply) {
            return Ok(Answer {
                reply,
                in_vain: false,
            });
        }
        let Some(current) = self.other_than(id, served.grant.digest).await else {
            return Ok(Answer {
                reply,
                in_vain: true,
            });
        };
        let Some(body) = again else {
            // The caller has the body, and may send it again.
            return Ok(Answer {
                reply,
                in_vain: false,
            });
        };
        passage.body = body;
        self.metrics.passed_again();
        let reply = self.pass_once(id, &mut passage, &current).await?;
        let in_vain = is_about_token(&reply);
        Ok(Answer { reply, in_vain })
    }

    /// The token to use in place of one that WeChat refused, where there is one.
    async fn other_than(&self, id: SlotId, refused: Digest) -> Option<Secret> {
        let reported = self.broker.saw_refused(id, refused).await;
        let current = reported.current.ok()?.grant;
        (current.digest != refused).then(|| current.value.clone())
    }

    async fn pass_once(
        &self,
        id: SlotId,
        passage: &mut Passage,
        token: &Secret,
    ) -> Result<Reply, CallError> {
        let bound = self.gate.limits.timeout;
        let progress = passage.progress.clone();
        let passing = self.passage.pass(self.broker.app(id), passage.with(token));
        let stalls = async {
            match progress {
                Some(progress) => progress.stalls(bound).await,
                None => tokio::time::sleep(bound).await,
            }
        };
        let passed = tokio::select! {
            passed = passing => passed,
            () = stalls => {
                let seconds = bound.as_secs();
                return Err(CallError::Unclear(format!("nothing moved for {seconds} s")));
            }
        };
        match passed {
            Passed::Answered(reply) => Ok(reply),
            Passed::NotSent(why) => Err(CallError::NotSent(why)),
            Passed::Unclear(why) => Err(CallError::Unclear(why)),
        }
    }
}

impl Passage {
    /// The body, where it can be sent again.
    fn kept(&self) -> Option<Upload> {
        match &self.body {
            Upload::Whole(body) => Some(Upload::Whole(body.clone())),
            Upload::Stream { .. } => None,
        }
    }

    /// What is sent; the body goes along.
    fn with(&mut self, token: &Secret) -> Passing {
        Passing {
            method: self.method,
            path: self.path.clone(),
            query: self.query.clone(),
            token: token.clone(),
            content_type: self.content_type.clone(),
            accept: self.accept.clone(),
            body: std::mem::replace(&mut self.body, Upload::Whole(Bytes::new())),
        }
    }
}

fn is_about_token(reply: &Reply) -> bool {
    matches!(reply.errcode, 40001 | 40014 | 42001)
}

fn too_long(bound: Duration) -> CallError {
    let seconds = bound.as_secs();
    CallError::Unclear(format!("the call took longer than {seconds} s"))
}

fn reply_too_large(most: u64) -> CallError {
    CallError::Unclear(format!("the reply is longer than {most} bytes"))
}

/// Passes a reply on in a task of its own, so that a caller who stops reading does not keep its place.
fn relay(chunks: Chunks, limits: PassageLimits, deadline: Instant, place: Place) -> Chunks {
    let (feeder, relayed, _) = pipe();
    tokio::spawn(async move {
        let _place = place;
        let _ = timeout_at(deadline, pump(chunks, feeder, limits)).await;
    });
    relayed
}

/// Dropped early, it leaves the caller with a cut reply.
async fn pump(mut chunks: Chunks, feeder: Feeder, limits: PassageLimits) {
    let mut left = limits.max_reply;
    loop {
        match timeout(limits.timeout, chunks.next()).await {
            Err(_) => return feeder.cut(Cut("nothing came for too long".to_owned())),
            Ok(None) => {
                // Too late, it is cut: whoever asked does not read.
                let _ = timeout(limits.timeout, feeder.finish()).await;
                return;
            }
            Ok(Some(Err(cut))) => return feeder.cut(cut),
            Ok(Some(Ok(chunk))) => {
                let Some(rest) = left.checked_sub(chunk.len() as u64) else {
                    return feeder.cut(Cut("the reply is too long".to_owned()));
                };
                left = rest;
                match timeout(limits.timeout, feeder.feed(chunk)).await {
                    Ok(true) => {}
                    // Whoever asked is gone, or does not read.
                    Ok(false) | Err(_) => return,
                }
            }
        }
    }
}
