//! Tells the service manager, systemd, how the broker is: started, reloading, stopping, and that its loops go on.
//!
//! The protocol is `sd_notify(3)`'s: datagrams of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names. It is
//! spoken here, since the crates for it read the process's environment, and brokers share one in the tests. Nothing
//! that goes wrong is an error: a manager that is not there misses nothing.
//!
//! The watchdog is fed by the loops: each turn of one is counted ([`Metrics::turned`]), and a loop that has not turned
//! for [`STALLED`] starves it, whatever else still runs.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::metrics::{Metrics, Turning};

/// A loop that has made no turn for this long stands still. Either takes one each [`NAP`](crate::follower::NAP) at
/// least, and waits for nothing longer than for one answer of the store.
const STALLED: Duration = Duration::from_secs(15);

/// The manager that started this process, where there is one that wants to be told.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// It ends a process that it has not heard of for this long.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager named by the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as `variable` tells
    /// them.
    pub fn of<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                error!(%error, "NOTIFY_SOCKET cannot be used; the service manager is told nothing");
                None
            }
        });
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| ours);
        let watchdog = watchdog.and_then(|micros| micros.parse().ok());
        Self {
            socket,
            watchdog: watchdog
                .filter(|micros| *micros > 0)
                .map(Duration::from_micros),
        }
    }

    /// Both listeners answer. Not that a token is there: a broker that starts while WeChat is away has started.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// The configuration is read again; [`ServiceManager::reloaded`] follows.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = Duration::try_from(now).unwrap_or_default().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\n"));
    }

    /// It was read, and taken over or refused.
    pub fn reloaded(&self) {
        self.tell("READY=1\n");
    }

    /// Requests and refreshes under way are finished.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping\n");
    }

    /// Feeds the watchdog for as long as the loops turn; after `stopped` without asking them, since they end. Runs
    /// until dropped.
    pub async fn feed(self, metrics: Arc<Metrics>, stopped: CancellationToken) {
        let Some(every) = self.watchdog.map(|limit| limit / 3) else {
            return;
        };
        let mut seen = Turning::ALL.map(|turning| (turning, 0, Instant::now()));
        let mut starving = false;
        loop {
            for (turning, turns, since) in &mut seen {
                let now = metrics.turns(*turning);
                if now != *turns {
                    (*turns, *since) = (now, Instant::now());
                }
            }
            let still = seen.iter().find(|seen| seen.2.elapsed() > STALLED);
            match still {
                Some((turning, ..)) if !stopped.is_cancelled() => {
                    if !starving {
                        error!(
                            task = turning.as_str(),
                            "a loop stands still; the watchdog is not fed any more, so that the service manager starts the broker anew"
                        );
                    }
                    starving = true;
                }
                _ => {
                    starving = false;
                    self.tell("WATCHDOG=1\n");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    fn tell(&self, lines: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(lines.as_bytes())
        {
            debug!(%error, "the service manager was not reached");
        }
    }
}

/// A path, or with `@` in front a name in Linux' abstract namespace. Nothing waits for the receiver.
fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            use std::os::unix::net::SocketAddr;

            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect(name)?,
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::expect_used,
        reason = "a test stops where something is missing"
    )]

    use super::*;

    /// A manager's end of the socket, and the broker's.
    fn pair(watchdog: &str) -> (UnixDatagram, ServiceManager, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("a setting");
        let path = path.to_str().expect("a path of text");
        let manager = ServiceManager::of(|name| match name {
            "NOTIFY_SOCKET" => Some(path),
            "WATCHDOG_USEC" => Some(watchdog),
            _ => None,
        });
        (socket, manager, folder)
    }

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 512];
        std::iter::from_fn(|| {
            let length = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        })
        .collect()
    }

    #[test]
    fn each_change_of_state_is_one_message() {
        let (socket, manager, _folder) = pair("0");
        manager.ready("serving 3 apps");
        manager.reloading();
        manager.reloaded();
        manager.stopping();
        let heard = heard(&socket);
        assert_eq!(heard[0], "READY=1\nSTATUS=serving 3 apps\n");
        let since = heard[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let since: u64 = since
            .and_then(|text| text.trim_end().parse().ok())
            .expect("a time");
        assert!(since > 0);
        assert_eq!(heard[2..], ["READY=1\n", "STOPPING=1\nSTATUS=stopping\n"]);
    }

    #[test]
    fn without_a_manager_and_with_one_that_is_gone_nothing_happens() {
        let nobody = ServiceManager::of(|_| None);
        nobody.ready("serving");
        let (socket, manager, folder) = pair("0");
        drop((socket, folder));
        manager.ready("serving");
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed() {
        let manager = ServiceManager::of(|name| match name {
            "WATCHDOG_USEC" => Some("3000000"),
            "WATCHDOG_PID" => Some("1"),
            _ => None,
        });
        assert_eq!(manager.watchdog, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_both_loops_turn_and_starves_when_one_stands_still() {
        let (socket, manager, _folder) = pair("3000000");
        let metrics = Arc::new(Metrics::default());
        let stopped = CancellationToken::new();
        let feeding = tokio::spawn(manager.feed(Arc::clone(&metrics), stopped.clone()));
        let pass = async |seconds: u64, turning: &[Turning]| {
            let mut fed = Vec::new();
            for _ in 0..seconds {
                for turning in turning {
                    metrics.turned(*turning);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                // Each second: the socket holds ten.
                fed.extend(heard(&socket));
            }
            fed
        };

        let fed = pass(60, &Turning::ALL).await;
        assert!(fed.len() >= 59, "{}", fed.len());
        assert!(fed.iter().all(|message| message == "WATCHDOG=1\n"));

        for stands_still in Turning::ALL {
            let others: Vec<_> = Turning::ALL
                .into_iter()
                .filter(|turning| *turning != stands_still)
                .collect();
            pass(16, &others).await;
            assert_eq!(pass(30, &others).await, Vec::<String>::new());
            pass(2, &Turning::ALL).await;
            assert!(!pass(10, &Turning::ALL).await.is_empty());
        }

        stopped.cancel();
        pass(20, &[]).await;
        assert!(!pass(10, &[]).await.is_empty(), "it stops within its time");
        feeding.abort();
    }
}
