//! A proxy between broker and Redis that cuts, delays, freezes, and stops at one named script: so that a
//! test can say "kill it after `commit` was stored and before anybody heard".

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Where in a call to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The request arrives here and goes no further.
    Request,
    /// The request is answered by Redis, and the answer goes no further.
    Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Connections are cut and refused.
    Cut,
    /// Connections stay open and carry nothing.
    Frozen,
}

struct Shared {
    target: SocketAddr,
    weather: watch::Sender<Weather>,
    latency: Mutex<Duration>,
    /// The hash of a script, where to stop, and whether it was met.
    hold: Mutex<Option<(String, Hold)>>,
    held: Notify,
}

/// A proxy on a port of its own. Dropped, it refuses everything.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target,
            weather: watch::channel(Weather::Fair).0,
            latency: Mutex::new(Duration::ZERO),
            hold: Mutex::new(None),
            held: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// What a broker is configured with.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.shared.weather.send_replace(Weather::Cut);
    }

    /// Keeps connections open and carries nothing.
    pub(crate) fn freeze(&self) {
        self.shared.weather.send_replace(Weather::Frozen);
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        self.shared.weather.send_replace(Weather::Fair);
    }

    /// Each answer is late by this.
    pub(crate) fn delay(&self, latency: Duration) {
        *self.shared.latency.lock().expect("not poisoned") = latency;
    }

    /// Stops the connection that next calls the script of this hash.
    pub(crate) fn hold(&self, script: &str, hold: Hold) {
        *self.shared.hold.lock().expect("not poisoned") = Some((script.to_owned(), hold));
    }

    /// Waits until a connection was stopped so.
    pub(crate) async fn held(&self, bound: Duration) {
        tokio::time::timeout(bound, self.shared.held.notified())
            .await
            .expect("the script is called in time");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        let shared = Arc::clone(&shared);
        if *shared.weather.borrow() == Weather::Cut {
            continue;
        }
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(shared.target).await {
                carry(client, server, &shared).await;
            }
        });
    }
}

/// Carries one connection until either end, or the weather, ends it.
async fn carry(client: TcpStream, server: TcpStream, shared: &Shared) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let stopped = Arc::new(Mutex::new(None::<Hold>));
    let stop_here = Arc::clone(&stopped);
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let hold = take_hold(shared, &buffer[..read]);
            if hold.is_some() {
                *stop_here.lock().expect("not poisoned") = hold;
            }
            if hold == Some(Hold::Request) {
                shared.held.notify_one();
                std::future::pending::<()>().await;
            }
            pass(shared).await;
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let replies = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            if *stopped.lock().expect("not poisoned") == Some(Hold::Reply) {
                shared.held.notify_one();
                std::future::pending::<()>().await;
            }
            pass(shared).await;
            let latency = *shared.latency.lock().expect("not poisoned");
            tokio::time::sleep(latency).await;
            if to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let mut weather = shared.weather.subscribe();
    let cut = async { drop(weather.wait_for(|weather| *weather == Weather::Cut).await) };
    tokio::select! {
        () = requests => {}
        () = replies => {}
        () = cut => {}
    }
}

/// Waits out a frozen network.
async fn pass(shared: &Shared) {
    let mut weather = shared.weather.subscribe();
    drop(
        weather
            .wait_for(|weather| *weather != Weather::Frozen)
            .await,
    );
}

/// Whether this request calls the script to stop at; it stops one call only. A call is one packet here:
/// requests are far shorter than the buffer.
fn take_hold(shared: &Shared, request: &[u8]) -> Option<Hold> {
    let mut hold = shared.hold.lock().expect("not poisoned");
    let (script, _) = hold.as_ref()?;
    let called = request.windows(7).any(|window| window == b"EVALSHA")
        && request
            .windows(script.len())
            .any(|window| window == script.as_bytes());
    if called {
        hold.take().map(|(_, hold)| hold)
    } else {
        None
    }
}
