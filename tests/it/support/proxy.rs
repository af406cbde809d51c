//! A proxy between broker and Redis that cuts, delays, freezes, and stops at one named script: so that a
//! test can say "kill it after `commit` was stored and before anybody heard".

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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
    /// How much later each change arrives a second time.
    repeat: Mutex<Option<Duration>>,
    /// The hash of a script, and where its calls stop.
    hold: watch::Sender<Option<(String, Hold)>>,
    /// How many calls were stopped.
    held: watch::Sender<usize>,
}

/// A proxy on a port of its own. Dropped, it refuses everything.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of the Redis on this port.
    pub(crate) async fn start(port: u16) -> Self {
        let target = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target,
            weather: watch::channel(Weather::Fair).0,
            latency: Mutex::new(Duration::ZERO),
            repeat: Mutex::new(None),
            hold: watch::channel(None).0,
            held: watch::channel(0).0,
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

    /// Each call of a script arrives at Redis once more, so much later, by a connection of its own: as a packet
    /// may that a network has kept. Nobody hears the second answer.
    pub(crate) fn repeat(&self, later: Option<Duration>) {
        *self.shared.repeat.lock().expect("not poisoned") = later;
    }

    /// Stops every call of this script here, until [`Proxy::let_go`].
    pub(crate) fn hold(&self, script: &str, hold: Hold) {
        let hashes = token_broker::adapters::redis::script_hashes();
        let (_, hash) = hashes
            .into_iter()
            .find(|(name, _)| *name == script)
            .expect("a script of this name");
        self.shared.held.send_replace(0);
        self.shared.hold.send_replace(Some((hash, hold)));
    }

    /// Waits until so many calls were stopped.
    pub(crate) async fn held(&self, count: usize, bound: Duration) {
        let mut held = self.shared.held.subscribe();
        let stopped = held.wait_for(|held| *held >= count);
        let in_time = tokio::time::timeout(bound, stopped).await;
        drop(in_time.expect("the script is called in time"));
    }

    /// What was stopped goes on.
    pub(crate) fn let_go(&self) {
        self.shared.hold.send_replace(None);
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
    let stopped = Arc::new(Mutex::new(false));
    let stop_here = Arc::clone(&stopped);
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if let Some(hold) = hold_on(shared, &buffer[..read]) {
                if hold == Hold::Reply {
                    *stop_here.lock().expect("not poisoned") = true;
                } else {
                    stand_still(shared).await;
                }
            }
            pass(shared).await;
            repeat_later(shared, &buffer[..read]);
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let replies = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let stop = std::mem::take(&mut *stopped.lock().expect("not poisoned"));
            if stop {
                stand_still(shared).await;
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

/// Has a call of a script arrive once more.
fn repeat_later(shared: &Shared, request: &[u8]) {
    let Some(later) = *shared.repeat.lock().expect("not poisoned") else {
        return;
    };
    if !has(request, b"EVALSHA") {
        return;
    }
    let (target, request) = (shared.target, request.to_vec());
    tokio::spawn(async move {
        tokio::time::sleep(later).await;
        if let Ok(mut server) = TcpStream::connect(target).await {
            let _ = server.write_all(&request).await;
            // Closed only once it is answered: Redis drops what it has not read.
            let _ = server.read(&mut [0; 1024]).await;
        }
    });
}

fn has(request: &[u8], word: &[u8]) -> bool {
    request.windows(word.len()).any(|window| window == word)
}

/// Counts a stopped call and waits until it may go on.
async fn stand_still(shared: &Shared) {
    shared.held.send_modify(|held| *held += 1);
    let mut hold = shared.hold.subscribe();
    drop(hold.wait_for(Option::is_none).await);
}

/// Whether this request calls the script to stop at. A call is one packet here: requests are far shorter
/// than the buffer.
fn hold_on(shared: &Shared, request: &[u8]) -> Option<Hold> {
    let hold = shared.hold.borrow();
    let (script, hold) = hold.as_ref()?;
    (has(request, b"EVALSHA") && has(request, script.as_bytes())).then_some(*hold)
}
