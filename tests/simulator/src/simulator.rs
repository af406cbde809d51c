//! A running WeChat: where it listens, when it is away, and how a test waits for something to happen to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::platform::Platform;
use crate::server::{Listener, Shared};
use crate::settings::Settings;

/// A simulated WeChat on a port of its own. Dropped, it is gone.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    listener: Listener,
}

impl Simulator {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings).await
    }

    /// Starts one on this address, with nothing remembered; after an outage, use `resume_listening`.
    ///
    /// # Errors
    ///
    /// If it cannot listen there.
    #[expect(clippy::unused_async, reason = "it needs a runtime to be running")]
    pub async fn start_on(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(Platform::new(settings)));
        let listener = Listener::open(address, &shared)?;
        Ok(Self { shared, listener })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// What stands for `https://api.weixin.qq.com` here; no slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Stops listening, cuts every connection and gives the port back. All is remembered, and can be asked;
    /// `resume_listening` starts it again if the port is still free.
    pub async fn stop(&self) {
        self.listener.close().await;
    }

    /// An outage: every connection is cut and new ones are refused. The port stays reserved.
    ///
    /// # Errors
    ///
    /// If the port was taken in that very moment.
    pub async fn pause_listening(&self) -> io::Result<()> {
        self.listener.shut().await
    }

    /// The end of an outage: same port, same tokens, same counts.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    #[expect(clippy::unused_async, reason = "it needs a runtime to be running")]
    pub async fn resume_listening(&self) -> io::Result<()> {
        self.listener.reopen(&self.shared)
    }

    /// Waits until the condition holds, at most for `bound`, and says whether it does. It is looked at again
    /// after every call and change, and whenever a token dies; what else the condition depends on is not seen
    /// before the bound.
    pub async fn wait_for(&self, bound: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + bound;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed, not even one before the first poll.
            changed.as_mut().enable();
            if condition(self) {
                return true;
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            let wake = match self.shared.look().tokens.next_death(now) {
                Some(death) => death.min(deadline),
                None => deadline,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }
}
