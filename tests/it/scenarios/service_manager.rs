//! What a service manager hears of a real process, from its start to its end.

use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::support::process::Process;
use crate::support::settings::{Settings, StoreUnderTest};
use crate::support::timed::timed;

/// The next message but those that feed the watchdog.
async fn news(socket: &UnixDatagram) -> String {
    loop {
        let message = next(socket).await;
        if message != "WATCHDOG=1\n" {
            return message;
        }
    }
}

async fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let received = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut buffer));
    let length = received.await.expect("a message in time");
    let length = length.expect("a readable socket");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn a_service_manager_hears_of_start_life_reload_and_stop() {
    timed(async || {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let store = StoreUnderTest::Embedded {
            path: folder.path().join("store.redb"),
        };
        // Nothing listens there: a broker has started although WeChat is away.
        let settings = Settings::new("http://127.0.0.1:9", store);
        let environment = [
            ("NOTIFY_SOCKET", path.to_str().expect("a path of text")),
            ("WATCHDOG_USEC", "300000"),
        ];
        let mut process = Process::start_with(&settings, |command| {
            command.envs(environment);
        });

        let ready = news(&socket).await;
        let listen = process.address("listen").await;
        assert!(ready.starts_with("READY=1\nSTATUS=serving"), "{ready}");
        assert!(ready.contains(&listen.to_string()), "{ready}");
        assert_eq!(next(&socket).await, "WATCHDOG=1\n");
        assert_eq!(next(&socket).await, "WATCHDOG=1\n");

        process.hang_up();
        let reloading = news(&socket).await;
        assert!(
            reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
            "{reloading}"
        );
        assert_eq!(news(&socket).await, "READY=1\n");

        process.terminate();
        assert!(news(&socket).await.starts_with("STOPPING=1\n"));
        assert_eq!(process.ended(Duration::from_secs(20)).await, Some(0));
    });
}
