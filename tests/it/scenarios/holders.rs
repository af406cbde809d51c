//! SDKs that keep a token for its whole life: it stays their key, whatever replaced it and whoever is asked.

use std::time::Duration;

use serde_json::json;
use wechat_simulator::Settings as WeChatSettings;

use crate::support::broker::{Caller, TestBroker};
use crate::support::fleet::{APP, Fleet, Kept, apps, eventually, wechat_with};
use crate::support::timed::timed;

/// How long a token lives: enough for three replacements, two restarts and a loss on a busy machine.
const LIFE: Duration = Duration::from_secs(30);

/// What anything here may take.
const SOON: Duration = Duration::from_secs(8);

/// What WeChat's own path answers to whoever shows this token.
async fn errcode(replica: &TestBroker, token: &str) -> i64 {
    let path = format!("/wxa/simulator/echo?access_token={token}");
    let reply = replica.caller().with_key(None).get(&path).await;
    reply.json()["errcode"].as_i64().expect("a code")
}

async fn open_everywhere(fleet: &Fleet, tokens: &[String]) {
    for replica in &fleet.replicas {
        for token in tokens {
            let opens = async || errcode(replica, token).await == 0;
            eventually("an earlier token opens", SOON, opens).await;
        }
    }
}

/// The token that replaces this one.
async fn next(caller: &Caller, after: &str) -> String {
    let replaced = async || {
        caller.token(APP).await.body.contains("access_token")
            && caller.token(APP).await.token() != after
    };
    eventually("it is replaced", SOON, replaced).await;
    caller.token_within(APP, SOON).await.token()
}

async fn restart(fleet: &mut Fleet) {
    fleet.replicas.remove(0).stop().await;
    fleet.add(1).await;
    for replica in &fleet.replicas {
        replica.caller().token_within(APP, SOON).await;
    }
}

#[test]
fn a_token_is_its_holders_key_until_it_expires_whatever_replaced_it_and_whoever_is_asked() {
    timed(async || {
        let wechat = WeChatSettings {
            token_life: LIFE,
            ..wechat_with(&apps(1))
        };
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, |settings| settings).await;
        fleet.add(1).await;
        let caller = fleet.caller(0);
        let mut tokens = vec![caller.token_within(APP, SOON).await.token()];
        let oldest_ends = fleet.wechat.fetches(APP)[0].at + LIFE;

        fleet.wechat.foreign_fetch_twice(APP);
        tokens.push(next(&caller, &tokens[0]).await);
        let forced = async || {
            let path = format!("/token/{APP}/refresh");
            caller.post(&path, json!({})).await.status == 200
        };
        eventually("spacing allows it", SOON, forced).await;
        tokens.push(next(&caller, &tokens[1]).await);
        fleet.wechat.foreign_fetch_twice(APP);
        tokens.push(next(&caller, &tokens[2]).await);
        open_everywhere(&fleet, &tokens).await;

        // One that never saw any but the last, and then nobody who saw the first.
        fleet.add(1).await;
        open_everywhere(&fleet, &tokens).await;
        restart(&mut fleet).await;
        restart(&mut fleet).await;
        open_everywhere(&fleet, &tokens).await;
        // The store forgets them, and is told again.
        fleet.redis.as_ref().expect("a Redis").flush();
        let told = async || fleet.metric("token_broker_put_backs_total", &[]).await > 0.0;
        eventually("the token is put back", SOON, told).await;
        restart(&mut fleet).await;
        restart(&mut fleet).await;
        open_everywhere(&fleet, &tokens).await;

        tokio::time::sleep_until(oldest_ends.into()).await;
        for replica in &fleet.replicas {
            assert_eq!(errcode(replica, &tokens[0]).await, 40001);
            let current = replica.caller().token_within(APP, SOON).await.token();
            assert_eq!(errcode(replica, &current).await, 0);
        }
        fleet.assert_in_order().await;
    });
}
