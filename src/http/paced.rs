//! A connection whose peer may be slow, but not for ever: every head has a bound, and so has a reply that nobody
//! takes. actix bounds the time of a connection's first head alone, and by a clock that may be seconds behind: a
//! process that stood still answered 408 to whoever had come meanwhile.
//!
//! Nor may it be idle for ever. actix makes a timer for that after each reply, and takes it down at the next request: a
//! twentieth of what a token costs. Here one timer rings every few seconds, and looks whether anything went on since.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How slow a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// How long a request's head may take, from its first byte; a connection's first from when it was accepted.
    pub(super) head: Duration,
    /// How long a reply may wait for its reader before it is asked how much was taken.
    pub(super) reply: Duration,
    /// How long a connection may be idle: a few seconds more, and after a reply that took long up to twice that. `None`
    /// leaves it to others.
    pub(super) idle: Option<Duration>,
}

impl Patience {
    /// How often to look at a connection on which something goes on.
    fn step(self) -> Duration {
        self.idle.map_or(self.head, |idle| idle.min(self.head))
    }
}

/// Bytes a second that a reader has to take of a reply that waits for it.
const LEAST_TAKEN: f64 = 1024.0;

/// What a peer was too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooSlow {
    /// Sending a head.
    Head,
    /// Taking a reply.
    Reply,
}

/// What is known of a connection beyond its bytes; the requests that come by it share it.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    begun: Cell<u64>,
    under_way: Cell<u32>,
    /// Whether a request has begun or ended since somebody looked.
    stirred: Cell<bool>,
    too_slow: Cell<Option<TooSlow>>,
}

/// A request, from its head read to the last of its reply.
#[derive(Debug)]
pub(super) struct UnderWay(Rc<Conduct>);

impl Conduct {
    /// A request has come by this connection.
    pub(super) fn begin(self: Rc<Self>) -> UnderWay {
        self.begun.set(self.begun.get().wrapping_add(1));
        self.under_way.set(self.under_way.get() + 1);
        self.stirred.set(true);
        UnderWay(self)
    }

    /// Why the connection was closed on the peer, if it was.
    pub(super) const fn too_slow(&self) -> Option<TooSlow> {
        self.too_slow.get()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.stirred.set(true);
    }
}

/// A connection that fails once its peer was too slow.
pub(super) struct Paced {
    stream: TcpStream,
    conduct: Rc<Conduct>,
    patience: Patience,
    /// Made when first needed, and then set again and again. It may ring for nothing: a request that is quick is
    /// not to pay for a timer.
    timer: Option<Pin<Box<Sleep>>>,
    ticking: bool,
    /// The head that is coming: after how many requests, and since when.
    head: Option<(u64, Instant)>,
    /// The reply that waits for its reader: since when, and how many bytes of it were taken since.
    waiting: Option<(Instant, u64)>,
    /// Since when nothing goes on, as far as anybody looked.
    idle_since: Instant,
}

/// Why a connection comes to its end.
enum End {
    TooSlow(TooSlow),
    Idle,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, patience: Patience) -> Self {
        let now = Instant::now();
        let mut paced = Self {
            stream,
            conduct: Rc::default(),
            patience,
            timer: None,
            ticking: false,
            head: Some((0, now)),
            waiting: None,
            idle_since: now,
        };
        paced.ring_by(now + patience.step());
        paced
    }

    pub(super) const fn conduct(&self) -> &Rc<Conduct> {
        &self.conduct
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Some bytes have come. Those that come while no request is under way are of the next head.
    fn heard(&mut self) {
        let begun = self.conduct.begun.get();
        let of_a_head = self.conduct.under_way.get() == 0;
        let is_known = self.head.is_some_and(|(after, _)| after == begun);
        if of_a_head && !is_known {
            let now = Instant::now();
            self.head = Some((begun, now));
            self.ring_by(now + self.patience.step());
        }
    }

    /// The reader has taken some of a reply.
    const fn took(&mut self, bytes: usize) {
        if let Some((_, taken)) = &mut self.waiting {
            *taken += bytes as u64;
        }
        // What a request brought on is no head without an end.
        self.head = None;
    }

    /// The reader has no room for more.
    fn wait(&mut self) {
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some((now, 0));
            self.ring_by(now + self.patience.reply);
        }
    }

    fn ring_by(&mut self, at: Instant) {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if !self.ticking || at < timer.deadline() {
            timer.as_mut().reset(at);
            self.ticking = true;
        }
    }

    /// Fails where the peer was too slow, and answers whether it was idle for too long. Called whenever there is something
    /// to wait for, so that the timer wakes whoever waits; what goes on at once is not judged, and does not pay for it.
    fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while self.ticking {
            let Some(timer) = &mut self.timer else {
                break;
            };
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
            match self.next_ring(Instant::now()) {
                Ok(Some(at)) => {
                    if let Some(timer) = &mut self.timer {
                        timer.as_mut().reset(at);
                    }
                }
                Ok(None) => self.ticking = false,
                Err(End::Idle) => {
                    self.ticking = false;
                    return Ok(true);
                }
                Err(End::TooSlow(too_slow)) => {
                    self.conduct.too_slow.set(Some(too_slow));
                    if too_slow == TooSlow::Reply {
                        // Else the kernel would go on offering what nobody takes.
                        let _ = self.stream.set_zero_linger();
                    }
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(false)
    }

    fn next_ring(&mut self, now: Instant) -> Result<Option<Instant>, End> {
        let conduct = &self.conduct;
        let is_under_way = conduct.under_way.get() > 0;
        let coming = |after| conduct.begun.get() == after && !is_under_way;
        self.head = self.head.filter(|(after, _)| coming(*after));
        let head = self.head.map(|(_, since)| since + self.patience.head);
        if head.is_some_and(|by| by <= now) {
            return Err(End::TooSlow(TooSlow::Head));
        }
        let mut reply = self.waiting.map(|(since, _)| since + self.patience.reply);
        if let (Some(by), Some((_, taken))) = (reply, self.waiting)
            && by <= now
        {
            #[expect(
                clippy::cast_precision_loss,
                reason = "bytes of a reply, not of a disk"
            )]
            if (taken as f64) < LEAST_TAKEN * self.patience.reply.as_secs_f64() {
                return Err(End::TooSlow(TooSlow::Reply));
            }
            self.waiting = Some((now, 0));
            reply = Some(now + self.patience.reply);
        }
        let has_stirred = conduct.stirred.replace(false);
        if has_stirred || is_under_way || head.is_some() || reply.is_some() {
            self.idle_since = now;
        }
        let idle = self.patience.idle.map(|idle| self.idle_since + idle);
        if idle.is_some_and(|by| by <= now) {
            return Err(End::Idle);
        }
        Ok([head, reply, idle].into_iter().flatten().min())
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.took(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.wait();
                self.judge(cx)?;
            }
        }
        written
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => this.heard(),
            Poll::Ready(_) => {}
            // As if the peer had closed it.
            Poll::Pending if this.judge(cx)? => return Poll::Ready(Ok(())),
            Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Flushed only once everything was written: nothing waits any more.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.waiting = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.judge(cx)?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl ActixStream for Paced {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, cx)
    }
}
