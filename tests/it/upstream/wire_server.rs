//! A server that reads requests and writes exactly the bytes it was told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

use token_broker::adapters::wechat::{Names, UpstreamSettings, WeChat};
use token_broker::app_secrets::AppSecrets;
use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::secret::Secret;

/// The AppSecret of the app that tests fetch for.
pub(super) const SECRET: &str = "5ecre7canary0123456789abcdefcana";
/// The token that tests ask about, and that servers issue.
pub(super) const TOKEN: &str = "89_T0kenCanary-0123456789_abcdefghijklmnopqrstuvwxyz";

/// What a connection does, in order; then it is closed.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Reads one whole request.
    Read,
    /// Writes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Writes the same again and again, so often apart, until nobody listens.
    Repeat(Vec<u8>, Duration),
    /// Holds the connection open for as long as the client does.
    Hang,
    /// Begins anew.
    Again,
}

/// A running server; it ends when dropped.
pub(super) struct WireServer {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl WireServer {
    /// A server in clear text.
    pub(super) async fn start(steps: impl Into<Vec<Step>>) -> Self {
        Self::listen(steps.into(), None).await
    }

    /// A server behind TLS.
    pub(super) async fn start_tls(tls: TlsAcceptor, steps: impl Into<Vec<Step>>) -> Self {
        Self::listen(steps.into(), Some(tls)).await
    }

    /// A server that answers the first request on a connection, then closes it.
    pub(super) async fn answering(reply: impl AsRef<[u8]>) -> Self {
        Self::start([Step::Read, Step::Send(reply.as_ref().to_vec())]).await
    }

    /// A server in clear text at an address of the test's choice.
    pub(super) async fn at(address: &str, steps: impl Into<Vec<Step>>) -> Self {
        Self::listen_at(address, steps.into(), None).await
    }

    async fn listen(steps: Vec<Step>, tls: Option<TlsAcceptor>) -> Self {
        Self::listen_at("127.0.0.1:0", steps, tls).await
    }

    async fn listen_at(address: &str, steps: Vec<Step>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    seen.lock().expect("not poisoned").connections += 1;
                    let (seen, steps, tls) = (Arc::clone(&seen), steps.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => play(tcp, &steps, &seen).await,
                            Some(tls) => match tls.accept(tcp).await {
                                Ok(stream) => play(stream, &steps, &seen).await,
                                Err(_) => None,
                            },
                        }
                    });
                }
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// The requests read so far, each whole.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").requests.clone()
    }

    /// How many connections were accepted.
    pub(super) fn connections(&self) -> usize {
        self.seen.lock().expect("not poisoned").connections
    }

    /// How to reach it.
    pub(super) fn settings(&self) -> UpstreamSettings {
        settings(&format!("http://{}", self.address))
    }

    /// An adapter that asks it.
    pub(super) fn client(&self) -> WeChat {
        client(&self.settings())
    }
}

impl Drop for WireServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play<S>(mut stream: S, steps: &[Step], seen: &Mutex<Seen>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut position = 0;
    while let Some(step) = steps.get(position) {
        position += 1;
        match step {
            Step::Read => {
                let request = read_request(&mut stream).await?;
                seen.lock().expect("not poisoned").requests.push(request);
            }
            Step::Send(bytes) => stream.write_all(bytes).await.ok()?,
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Repeat(bytes, pause) => loop {
                stream.write_all(bytes).await.ok()?;
                tokio::time::sleep(*pause).await;
            },
            Step::Hang => while stream.read(&mut [0; 64]).await.ok()? > 0 {},
            Step::Again => position = 0,
        }
    }
    stream.shutdown().await.ok()
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .next()
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// The time-out of tests of the time-out.
pub(super) const SHORT: Duration = Duration::from_millis(600);

/// Settings with a time-out that a busy machine does not reach.
pub(super) fn settings(base_url: &str) -> UpstreamSettings {
    UpstreamSettings {
        base_url: Url::parse(base_url).expect("a URL"),
        timeout: Duration::from_secs(5),
        fallback_urls: Vec::new(),
        connection_age: Duration::from_secs(300),
        names: Names::System,
        proxy: None,
        ca_file: None,
    }
}

pub(super) fn client(settings: &UpstreamSettings) -> WeChat {
    let secrets = AppSecrets::new([(app(), Secret::new(SECRET))]);
    WeChat::new(settings, Arc::new(secrets)).expect("usable settings")
}

pub(super) fn app() -> AppId {
    AppId::parse("wx0000000000000001").expect("an appid")
}

pub(super) fn credential(mode: Mode) -> Credential {
    Credential::access_token(app(), mode)
}

/// A reply of status 200 with a JSON body and its length.
pub(super) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The body of a fetch that succeeded.
pub(super) fn token_body() -> String {
    format!(r#"{{"access_token":"{TOKEN}","expires_in":7200}}"#)
}
