//! `GET /live`: the page's changing parts as server-sent events, each time they have changed.
//!
//! A stream keeps nothing but what it sent last. A reader that is slow is sent less, never older.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web;
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::StatusPage;
use super::question::Question;
use super::span::clock;
use crate::http::problem::Problem;

/// How many pages may be live at this replica.
pub(super) const MOST: usize = 16;

/// How often a stream looks for what has changed.
const EVERY: Duration = Duration::from_secs(1);

/// How often one that has nothing to tell says when it looked last.
const STILL_EVERY: Duration = Duration::from_secs(5);

/// What a browser waits before it connects again.
const RETRY: &str = "retry: 2000\n\n";

/// Opens a stream, where there is room for one more.
pub(super) fn open(page: Arc<StatusPage>, question: Question) -> HttpResponse {
    let Ok(seat) = Arc::clone(&page.seats).try_acquire_owned() else {
        return Problem::too_many_viewers(MOST).render();
    };
    let feed = Feed {
        page,
        question,
        sent: None,
        said_at: Instant::now(),
        _seat: seat,
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        // A shutdown does not wait for an idle connection then.
        .force_close()
        .streaming(feed.into_stream())
}

/// One stream.
struct Feed {
    page: Arc<StatusPage>,
    question: Question,
    /// What the reader has; `None` before the first event.
    sent: Option<String>,
    said_at: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Feed {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut feed| {
            let next = feed.next().await?;
            feed.said_at = Instant::now();
            Some((Ok(Bytes::from(next)), feed))
        })
    }

    /// The next event; `None` once the process stops.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.sent.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let (page, question) = (Arc::clone(&self.page), self.question.clone());
            let (at, parts) = web::block(move || page.parts(&question)).await.ok()?;
            let first = self.sent.is_none();
            if self.sent.as_deref() != Some(parts.as_str()) {
                let retry = if first { RETRY } else { "" };
                let event = format!("{retry}{}{}", still(at), event("parts", &parts));
                self.sent = Some(parts);
                return Some(event);
            }
            if self.said_at.elapsed() >= STILL_EVERY {
                return Some(still(at));
            }
        }
    }
}

/// When was looked last.
fn still(at: Duration) -> String {
    event("still", &clock(at))
}

fn event(name: &str, data: &str) -> String {
    let mut text = format!("event: {name}\n");
    for line in data.lines() {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_an_event_early() {
        assert_eq!(
            event("parts", "<p>\n\n</p>\r\nid: 7"),
            "event: parts\ndata: <p>\ndata: \ndata: </p>\ndata: id: 7\n\n"
        );
    }
}
