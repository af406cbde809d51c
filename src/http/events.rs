//! `GET /token/{appid}/events`: the current token, then each new one, as server-sent events.
//!
//! A stream holds no queue: it looks at what the snapshot serves when its reader has room for more. So a
//! slow reader keeps nobody waiting, and misses versions that were replaced meanwhile, never the newest.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};

use super::call::Call;
use super::problem::Problem;
use super::routes::ApiState;
use super::shown::ShownNames;
use super::streams::Seat;
use super::token::json;
use crate::broker::{Refusal, Served, Told};
use crate::domain::caller::Verb;
use crate::domain::epoch::Version;
use crate::snapshot::SlotId;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass on each event as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a client waits before it connects again after a connection that broke.
const RETRY: &[u8] = b"retry: 2000\n\n";
/// A comment, so that whoever stands between does not take the connection for dead.
const KEEP_ALIVE: &[u8] = b": still here\n\n";
/// A grant counts as servable for all but the last second of its life.
const LAST_SECOND: Duration = Duration::from_millis(990);
/// Versions follow the clock: one so far ahead of it is none of ours.
const AHEAD: Duration = Duration::from_secs(3600);

/// The stream of an app's tokens.
pub(super) async fn read(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Read)?;
    let state = &call.worker().state;
    let seat = state.streams.seat(call.known_caller())?;
    let feed = Feed::new(Arc::clone(state), id, call, seat);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, EVENT_STREAM))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        // A shutdown does not wait for an idle connection then.
        .force_close()
        .streaming(feed.into_stream()))
}

/// One stream.
struct Feed {
    state: Arc<ApiState>,
    id: SlotId,
    told: Told,
    /// The caller's key, which is looked at again before each event: it may be withdrawn.
    credentials: HeaderMap,
    /// The names of its certificate, for the same reason.
    shown: Option<ShownNames>,
    phase: Phase,
    seat: Seat,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Over,
}

impl Feed {
    fn new(state: Arc<ApiState>, id: SlotId, call: &Call, seat: Seat) -> Self {
        let headers = call.headers();
        let now = state.calls.broker().now().wall;
        let mut credentials = HeaderMap::new();
        for value in headers.get_all(AUTHORIZATION) {
            let mut value = value.clone();
            value.set_sensitive(true);
            credentials.append(AUTHORIZATION, value);
        }
        state.calls.broker().attend(id);
        Self {
            told: Told::up_to(last_event_id(headers, now)),
            state,
            id,
            credentials,
            shown: call.shown().cloned(),
            phase: Phase::Opening,
            seat,
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut feed| {
            let next = feed.next().await?;
            Some((Ok(next), feed))
        })
    }

    /// The next piece of the stream; `None` once it is over.
    async fn next(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Opening => {
                self.phase = Phase::Open;
                return Some(Bytes::from_static(RETRY));
            }
            Phase::Open => {}
            Phase::Over => return None,
        }
        let broker = &self.state.calls.broker();
        let news = tokio::select! {
            biased;
            () = self.seat.streams.closing.cancelled() => {
                self.phase = Phase::Over;
                let retry = format!("retry: {}\n\n", self.seat.return_after());
                return Some(Bytes::from(retry));
            }
            news = broker.news(self.id, self.told) => Some(news),
            () = tokio::time::sleep(self.patience()) => None,
        };
        if !self.is_still_allowed() {
            return None;
        }
        if matches!(news, Some(Err(Refusal::UnknownApp)))
            && let Some(now) = self.state.calls.broker().moved(self.id)
        {
            self.id = now;
            return Some(Bytes::from_static(KEEP_ALIVE));
        }
        Some(match news {
            Some(Ok(served)) => self.token(&served),
            Some(Err(refusal)) => self.gone(refusal),
            None => Bytes::from_static(KEEP_ALIVE),
        })
    }

    /// How long nothing may be said: until the next keep-alive, or until the token has expired, of which
    /// nobody sends word.
    fn patience(&self) -> Duration {
        let keep_alive = self.seat.streams.keep_alive;
        let served = self.state.calls.broker().at_once(self.id);
        served.map_or(keep_alive, |served| {
            keep_alive.min(served.expires_in.saturating_sub(LAST_SECOND))
        })
    }

    fn is_still_allowed(&self) -> bool {
        let callers = self.state.callers.load();
        let app = self.state.calls.broker().app(self.id);
        let caller = callers.authenticate(&self.credentials, || self.shown.as_ref());
        caller.is_ok_and(|caller| caller.rights.allows(app, Verb::Read))
    }

    fn token(&mut self, served: &Served) -> Bytes {
        if !served.vouched {
            self.state.metrics.served_unvouched();
        }
        let version = served.grant.version;
        self.told = Told::up_to(version);
        let id = format!("id: {}\nevent: token\ndata: ", version.0);
        let document = json(self.state.calls.broker().app(self.id), served, None);
        Bytes::from([id.as_bytes(), &document, b"\n\n"].concat())
    }

    fn gone(&mut self, refusal: Refusal) -> Bytes {
        self.told = self.told.and_gone(refusal);
        if refusal == Refusal::UnknownApp {
            self.phase = Phase::Over;
        }
        let problem = Problem::no_token(refusal, self.state.calls.broker().app(self.id));
        let document = problem.document();
        Bytes::from([b"event: gone\ndata: ".as_slice(), &document, b"\n\n"].concat())
    }
}

/// The version that the client has already; what is no version of ours counts for nothing.
fn last_event_id(headers: &HeaderMap, now: Duration) -> Version {
    let sent = headers.get(LAST_EVENT_ID);
    let number = sent.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let latest = (now + AHEAD).as_micros();
    match number {
        Some(number) if u128::from(number) <= latest => Version(number),
        Some(_) | None => Version::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_no_version_of_ours_counts_for_nothing() {
        let now = Duration::from_secs(1_790_000_000);
        let read = |sent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, HeaderValue::from_static(sent));
            last_event_id(&headers, now).0
        };
        assert_eq!(read("1790000000000000"), 1_790_000_000_000_000);
        for sent in ["", "-1", "nonsense", "18446744073709551615", "99e9"] {
            assert_eq!(read(sent), 0, "{sent}");
        }
        assert_eq!(last_event_id(&HeaderMap::new(), now).0, 0);
    }
}
