//! A way for a body from one task to another: a few chunks at a time, so that whoever is slow slows the other down.
//! Its end must be said. A feeder that is dropped before, because its caller went away or its time was up, leaves a
//! body that is *cut*: nobody takes half of a message for all of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::ports::{Chunks, Cut};

/// Chunks under way. They have some 64 KiB each.
const ROOM: usize = 4;

/// Where a body goes in.
pub struct Feeder {
    to: mpsc::Sender<Piece>,
    waits: watch::Sender<Option<Instant>>,
}

/// Tells since when whoever reads has been waited for.
#[derive(Clone)]
pub struct Progress(watch::Receiver<Option<Instant>>);

enum Piece {
    Chunk(Bytes),
    End,
    Cut(Cut),
}

struct Outlet {
    from: mpsc::Receiver<Piece>,
    ended: bool,
}

/// Makes both ends.
#[must_use]
pub fn pipe() -> (Feeder, Chunks, Progress) {
    let (to, from) = mpsc::channel(ROOM);
    let (waits, progress) = watch::channel(None);
    let outlet = Outlet { from, ended: false };
    (Feeder { to, waits }, outlet.boxed(), Progress(progress))
}

impl Feeder {
    /// Puts a chunk in, once there is room. `false`: nobody reads any more.
    pub async fn feed(&self, chunk: Bytes) -> bool {
        self.waits.send_replace(Some(Instant::now()));
        let fed = self.to.send(Piece::Chunk(chunk)).await.is_ok();
        self.waits.send_replace(None);
        fed
    }

    /// Says that the body is whole.
    pub async fn finish(self) {
        self.waits.send_replace(Some(Instant::now()));
        // Whoever reads no more need not know.
        let _ = self.to.send(Piece::End).await;
    }

    /// Says why it is not, where there is room to.
    pub fn cut(self, why: Cut) {
        let _ = self.to.try_send(Piece::Cut(why));
    }
}

impl Progress {
    /// Waits until whoever reads has been waited for so long: with a chunk that it does not take, or since the end.
    /// How long the chunks themselves take to come is not its fault.
    pub async fn stalls(mut self, bound: Duration) {
        loop {
            let since = *self.0.borrow_and_update();
            match since {
                Some(since) if since + bound <= Instant::now() => return,
                Some(since) => tokio::time::sleep_until(since + bound).await,
                None => {
                    if self.0.changed().await.is_err() {
                        // Given up, and so is what waits for the reader.
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }
}

impl Stream for Outlet {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.from.poll_recv(context));
        let given_up = || Cut("whoever sent it gave up".to_owned());
        let item = match piece {
            Some(Piece::Chunk(chunk)) => Some(Ok(chunk)),
            Some(Piece::End) => None,
            Some(Piece::Cut(why)) => Some(Err(why)),
            None => Some(Err(given_up())),
        };
        self.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_and_ends() {
        let (feeder, chunks, _) = pipe();
        assert!(feeder.feed(Bytes::from_static(b"ab")).await);
        feeder.finish().await;
        let read: Vec<_> = chunks.collect().await;
        assert_eq!(read, [Ok(Bytes::from_static(b"ab"))]);
    }

    #[tokio::test]
    async fn a_feeder_that_is_dropped_leaves_a_cut_body() {
        let (feeder, mut chunks, _) = pipe();
        feeder.feed(Bytes::from_static(b"ab")).await;
        drop(feeder);
        assert!(matches!(chunks.next().await, Some(Ok(_))));
        assert!(matches!(chunks.next().await, Some(Err(_))));
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_read_slows_the_feeder_down() {
        let (feeder, chunks, progress) = pipe();
        let feeding = async {
            let mut fed = 0;
            while feeder.feed(Bytes::from_static(b"x")).await {
                fed += 1;
            }
            fed
        };
        let bound = Duration::from_secs(5);
        let begun = Instant::now();
        tokio::select! {
            fed = feeding => panic!("{fed} chunks were taken"),
            () = progress.stalls(bound) => {}
        }
        assert_eq!(begun.elapsed(), bound);
        drop(chunks);
    }

    #[tokio::test(start_paused = true)]
    async fn a_feeder_that_has_nothing_to_feed_is_not_the_readers_fault() {
        let bound = Duration::from_secs(5);
        let (feeder, _chunks, progress) = pipe();
        feeder.feed(Bytes::from_static(b"x")).await;
        let stalls = tokio::time::timeout(bound * 10, progress.clone().stalls(bound)).await;
        assert!(stalls.is_err());
        feeder.finish().await;
        let begun = Instant::now();
        progress.stalls(bound).await;
        assert_eq!(begun.elapsed(), bound);
    }
}
