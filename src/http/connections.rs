//! What becomes of a connection, from its acceptance to its end: HTTP on it, by TLS or without; the pace that its
//! peer has to keep; and a count of those that were closed on their clients, which no route ever sees.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_http::error::{DispatchError, ParseError};
use actix_http::{ConnectionType, HttpService, KeepAlive, Request, Response};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    fn_service, map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use futures_util::TryFutureExt as _;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::info;

use super::paced::{Conduct, Paced, Patience, TooSlow, UnderWay};
use super::server::Limits;
use super::shown::ShownNames;
use super::throttle::Throttle;
use crate::metrics::HttpMetrics;

/// What the kernel may keep of replies that are not taken yet, for one connection; it doubles the figure. Left to
/// itself it grows to megabytes, and tells only of a third of them at a time how slow a reader is.
const SEND_BUFFER: usize = 128 << 10;

/// How long the goodbye of a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A reply that is written at once: the reply's end is then when it is made.
const AT_ONCE: u64 = 32 << 10;

/// Why a connection was closed on its client, before any route was asked or in the middle of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its bytes are no HTTP.
    Malformed,
    /// A head has more bytes than one may have.
    HeadTooLarge,
    /// A head did not come in time.
    SlowHead,
    /// A reply was not taken in time.
    SlowReader,
    /// What a reply came from broke off in the middle.
    ReplyBroken,
}

impl Cut {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::Malformed,
        Self::HeadTooLarge,
        Self::SlowHead,
        Self::SlowReader,
        Self::ReplyBroken,
    ];

    /// The word for it in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::SlowHead => "slow_head",
            Self::SlowReader => "slow_reader",
            Self::ReplyBroken => "reply_broken",
        }
    }
}

/// Whether the broker is leaving: its replies then ask clients to close, so that they come back elsewhere. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub struct Leaving(Arc<AtomicBool>);

impl Leaving {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(super) struct Connections {
    limits: Limits,
    leaving: Leaving,
    draining: GracefulShutdownSignal,
    ends: Arc<Ends>,
}

/// Where the ends of connections are told.
struct Ends {
    metrics: Arc<HttpMetrics>,
    throttle: Throttle,
    epoch: Instant,
}

impl Connections {
    pub(super) fn new(
        limits: Limits,
        leaving: Leaving,
        draining: GracefulShutdownSignal,
        metrics: Arc<HttpMetrics>,
    ) -> Self {
        let ends = Ends {
            metrics,
            throttle: Throttle::over(Cut::ALL.len()),
            epoch: Instant::now(),
        };
        Self {
            limits,
            leaving,
            draining,
            ends: Arc::new(ends),
        }
    }

    /// Serves `app` in the clear.
    pub(super) fn plain<A, S>(
        &self,
        app: A,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<A, S>
    where
        A: IntoServiceFactory<S, Request>,
        S: WebApp,
    {
        let patience = Patience {
            idle: Some(self.limits.keep_alive),
            ..self.patience()
        };
        fn_service(move |stream| ready(Ok(accepted(stream, patience))))
            .and_then(self.http(app, KeepAlive::Os).map_err(drop))
    }

    /// Serves `app` by TLS.
    pub(super) fn tls<A, S>(
        &self,
        app: A,
        mut config: ServerConfig,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<A, S>
    where
        A: IntoServiceFactory<S, Request>,
        S: WebApp,
    {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let patience = self.patience();
        fn_service(move |stream| ready(Ok(accepted(stream, patience))))
            .and_then(Acceptor::new(config).map_err(drop))
            // By actix, which says goodbye by TLS as well.
            .and_then(self.http(app, self.limits.keep_alive.into()).map_err(drop))
    }

    const fn patience(&self) -> Patience {
        Patience {
            head: self.limits.head_timeout,
            reply: self.limits.reply_timeout,
            idle: None,
        }
    }

    fn http<A, S, C>(
        &self,
        app: A,
        keep_alive: KeepAlive,
    ) -> impl ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()>
    + use<A, S, C>
    where
        A: IntoServiceFactory<S, Request>,
        S: WebApp,
        C: Connection,
    {
        let draining = self.draining.clone();
        // The worker's own: workers that count references together get in each other's way at each request.
        let leaving = Rc::new(self.leaving.clone());
        let app = map_config(app.into_factory(), |()| AppConfig::default());
        let app = apply_fn_factory(app, move |request: Request, app: &_| {
            let conduct = request.conn_data::<Rc<Conduct>>();
            let under_way = conduct.map(|conduct| Rc::clone(conduct).begin());
            let leaving = Rc::clone(&leaving);
            let answering = Service::call(app, request);
            // No `async` block: it would move what is awaited once more.
            answering.map_ok(move |response| {
                let mut response: Response<BoxBody> = response.into();
                if leaving.has_begun() {
                    let close = ConnectionType::Close;
                    response.head_mut().set_connection_type(close);
                }
                lasting(response, under_way)
            })
        });
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .keep_alive(keep_alive)
            // A head's time is taken by `Paced`.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(GOODBYE)
            .on_connect_ext(|connection: &C, data| {
                data.insert(Rc::clone(connection.paced().conduct()));
                if let Some(shown) = connection.shown() {
                    data.insert(shown);
                }
            })
            .h1(app);
        let ends = Arc::clone(&self.ends);
        apply_fn_factory(http, move |connection: C, http: &_| {
            let conduct = Rc::clone(connection.paced().conduct());
            let peer = connection.paced().stream().peer_addr().ok();
            let serving = Service::call(http, (connection, peer));
            let ends = Arc::clone(&ends);
            async move {
                let ended = serving.await;
                let cut = match (&ended, conduct.too_slow()) {
                    (_, Some(TooSlow::Head)) => Some(Cut::SlowHead),
                    (_, Some(TooSlow::Reply)) => Some(Cut::SlowReader),
                    (Err(DispatchError::Parse(ParseError::TooLarge)), _) => Some(Cut::HeadTooLarge),
                    (Err(DispatchError::Parse(_)), _) => Some(Cut::Malformed),
                    (Err(DispatchError::Body(_)), _) => Some(Cut::ReplyBroken),
                    _ => None,
                };
                if let Some(cut) = cut {
                    ends.tell(cut, peer);
                }
                ended
            }
        })
    }
}

/// Sets what connections inherit from their listener.
pub(super) fn bound_buffers(listener: &TcpListener) {
    // Where that is not to be had, the buffers are the system's.
    let _ = set_socket_send_buffer_size(listener, SEND_BUFFER);
}

impl Ends {
    fn tell(&self, cut: Cut, peer: Option<SocketAddr>) {
        self.metrics.cut(cut);
        if let Some(suppressed) = self.throttle.admit(cut as usize, self.epoch.elapsed()) {
            info!(
                why = cut.as_str(),
                peer = peer.map(tracing::field::display),
                suppressed,
                "a connection was closed on its client"
            );
        }
    }
}

fn accepted(stream: TcpStream, patience: Patience) -> Paced {
    // A reply is written whole: waiting for more of it would only delay it.
    let _ = stream.set_nodelay(true);
    Paced::new(stream, patience)
}

/// An application of actix, as [`App`](actix_web::App) makes it, or one around such.
pub trait WebApp:
    ServiceFactory<
        Request,
        Config = AppConfig,
        Response: Into<Response<BoxBody>>,
        Error = actix_web::Error,
        InitError = (),
        Service: 'static,
        Future: 'static,
    > + 'static
{
}

impl<S> WebApp for S where
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response: Into<Response<BoxBody>>,
            Error = actix_web::Error,
            InitError = (),
            Service: 'static,
            Future: 'static,
        > + 'static
{
}

/// A connection on which HTTP is spoken.
trait Connection: AsyncRead + AsyncWrite + Unpin + 'static {
    fn paced(&self) -> &Paced;

    /// What the client's certificate says, where it has shown one.
    fn shown(&self) -> Option<ShownNames>;
}

impl Connection for Paced {
    fn paced(&self) -> &Paced {
        self
    }

    fn shown(&self) -> Option<ShownNames> {
        None
    }
}

impl Connection for TlsStream<Paced> {
    fn paced(&self) -> &Paced {
        self.get_ref().0
    }

    fn shown(&self) -> Option<ShownNames> {
        ShownNames::by(self.get_ref().1)
    }
}

/// A reply's body during which its request is under way.
struct Lasting {
    body: BoxBody,
    _under_way: UnderWay,
}

/// The request is under way for as long as its reply is.
fn lasting(response: Response<BoxBody>, under_way: Option<UnderWay>) -> Response<BoxBody> {
    let at_once = match response.body().size() {
        BodySize::None => true,
        BodySize::Sized(size) => size <= AT_ONCE,
        BodySize::Stream => false,
    };
    match under_way {
        Some(under_way) if !at_once => response.map_body(|_, body| {
            BoxBody::new(Lasting {
                body,
                _under_way: under_way,
            })
        }),
        Some(_) | None => response,
    }
}

impl MessageBody for Lasting {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
