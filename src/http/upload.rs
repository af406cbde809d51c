//! A body that is passed on: kept whole where it is short, so that it can be sent again, and as it comes where it is
//! long. Never more of it in memory than what is kept.

use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::problem::Problem;
use crate::calls::pipe::{Feeder, Progress, pipe};
use crate::ports::Upload;

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadBounds {
    /// The most that is kept.
    pub(super) kept: usize,
    /// The most that may come.
    pub(super) most: u64,
    /// How long nothing may come.
    pub(super) timeout: Duration,
}

/// What comes of a body's beginning.
pub(super) struct Begun {
    pub(super) body: Upload,
    pub(super) rest: Option<Rest>,
}

/// What is still to come, and where it goes.
pub(super) struct Rest {
    pub(super) progress: Progress,
    kept: Bytes,
    payload: Payload,
    feeder: Feeder,
    left: u64,
    bounds: UploadBounds,
}

/// Reads what is kept of a body.
pub(super) async fn begin(
    headers: &HeaderMap,
    mut payload: Payload,
    bounds: UploadBounds,
) -> Result<Begun, Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        // WeChat takes none, and would read something else than was meant.
        return Err(Problem::coded_body());
    }
    let announced = headers.get(CONTENT_LENGTH);
    let announced: Option<u64> = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length| length > bounds.most) {
        return Err(Problem::upload_too_large(bounds.most));
    }
    let mut kept = BytesMut::new();
    while let Some(chunk) = next(&mut payload, bounds.timeout).await? {
        kept.extend_from_slice(&chunk);
        if kept.len() > bounds.kept {
            let (feeder, chunks, progress) = pipe();
            let left = (bounds.most).checked_sub(kept.len() as u64);
            let rest = Rest {
                progress,
                kept: kept.freeze(),
                payload,
                feeder,
                left: left.ok_or_else(|| Problem::upload_too_large(bounds.most))?,
                bounds,
            };
            let body = Upload::Stream {
                length: announced,
                chunks,
            };
            return Ok(Begun {
                body,
                rest: Some(rest),
            });
        }
    }
    Ok(Begun {
        body: Upload::Whole(kept.freeze()),
        rest: None,
    })
}

impl Rest {
    /// Sends on what comes. Ends when all of it went on or nobody takes it any more.
    pub(super) async fn flow(self) -> Result<(), Problem> {
        let Self {
            kept,
            mut payload,
            feeder,
            mut left,
            bounds,
            ..
        } = self;
        if !feeder.feed(kept).await {
            return Ok(());
        }
        while let Some(chunk) = next(&mut payload, bounds.timeout).await? {
            let rest = left.checked_sub(chunk.len() as u64);
            left = rest.ok_or_else(|| Problem::upload_too_large(bounds.most))?;
            if !feeder.feed(chunk).await {
                return Ok(());
            }
        }
        feeder.finish().await;
        Ok(())
    }
}

async fn next(payload: &mut Payload, bound: Duration) -> Result<Option<Bytes>, Problem> {
    match timeout(bound, payload.next()).await {
        Err(_) => Err(Problem::body_stalled(bound)),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(_))) => {
            let detail = String::from("The body ended before it was complete.");
            Err(Problem::malformed_body(detail))
        }
    }
}
