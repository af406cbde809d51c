//! How many connections the calls of one replica take.

use futures_util::future::join_all;
use token_broker::domain::credential::Mode;
use token_broker::domain::protocol::{Claim, Claimed};
use token_broker::ports::Store as _;

use super::sample::{redis_store, refresh, secs, subject};
use crate::support::redis::RedisServer;
use crate::support::timed::timed;

/// The one that asks is among them.
fn connections(server: &RedisServer) -> usize {
    let list = server.command(&["CLIENT", "LIST"]);
    list.lines().filter(|line| line.contains("addr=")).count()
}

#[test]
fn calls_that_are_under_way_at_once_share_a_connection() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let of = subject(Mode::Token);
        let version = refresh(&store, &of, 1).await.version;
        let before = connections(&server);
        let claim = Claim {
            version,
            every: secs(60),
        };

        let asked = (0..20).map(|_| store.claim_check(&of, &claim));
        let answers: Vec<_> = join_all(asked).await;

        let answers = answers.into_iter().map(|answer| answer.unwrap().answer);
        assert_eq!(answers.filter(|it| *it == Claimed::Yours).count(), 1);
        assert_eq!(connections(&server), before);
    });
}
