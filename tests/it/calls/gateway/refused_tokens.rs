//! WeChat refuses the token: the call is made once more with another where there is one, and a false refusal costs
//! nothing but one check.

use serde_json::json;
use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::super::rig::{APP, FOLLOWER};
use super::passing::{form, upload};
use super::rig::{Gateway, json};
use crate::support::fleet::sample;
use crate::support::timed::timed;

const TEMPLATE: &str = "/cgi-bin/message/template/send";

fn message(gateway: &Gateway) -> reqwest::RequestBuilder {
    let body = json!({"touser": FOLLOWER, "template_id": "t", "data": {}});
    gateway.keyed("POST", TEMPLATE).json(&body)
}

#[test]
fn a_dead_token_is_replaced_and_the_call_made_once_more_whole() {
    timed(async || {
        let gateway = Gateway::start().await;
        gateway.wechat.foreign_fetch_twice(APP);
        let bytes = vec![7; 200_000];
        assert!(json(upload(&gateway, &bytes), 200).await["media_id"].is_string());
        let metrics = gateway.broker.metrics().await;
        // The close watch may have been faster than the call.
        let asked = gateway.wechat.count(APP, Endpoint::MediaUpload);
        let repeated = sample(&metrics, "token_broker_calls_repeated_total", &[]);
        assert!(
            asked <= 2 && asked as f64 == 1.0 + repeated,
            "{asked} {repeated}"
        );
        assert_eq!(gateway.wechat.fetches(APP).len(), 2);
        assert_eq!(gateway.wechat.violations(), []);
    });
}

#[test]
fn a_body_too_long_to_keep_is_sent_once_and_the_next_call_passes() {
    timed(async || {
        let gateway = Gateway::with("replay_body = 1000").await;
        let dead = gateway.token().await;
        gateway.wechat.foreign_fetch_twice(APP);
        let bytes = vec![7; 200_000];
        let first = json(upload(&gateway, &bytes), 200).await;
        if first["media_id"].is_null() {
            assert_eq!(first["errcode"], 40001);
        }
        assert_eq!(gateway.wechat.count(APP, Endpoint::MediaUpload), 1);
        assert_ne!(gateway.token().await, dead, "the refusal was looked into");
        assert!(json(upload(&gateway, &bytes), 200).await["media_id"].is_string());
        assert_eq!(gateway.wechat.fetches(APP).len(), 2);
    });
}

#[test]
fn a_false_refusal_is_passed_on_once_and_costs_no_fetch() {
    timed(async || {
        let gateway = Gateway::start().await;
        for errcode in [40001, 40014, 42001] {
            let lie = Fault::new(FaultKind::Errcode(errcode)).on(Endpoint::TemplateSend);
            gateway.wechat.faults().add(lie.once());
            assert_eq!(json(message(&gateway), 200).await["errcode"], errcode);
            assert_eq!(json(message(&gateway), 200).await["errcode"], 0);
        }
        assert_eq!(gateway.wechat.count(APP, Endpoint::TemplateSend), 6);
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn a_path_that_always_lies_makes_no_loop_and_spends_nothing() {
    timed(async || {
        let gateway = Gateway::start().await;
        let lie = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::TemplateSend);
        gateway.wechat.faults().add(lie);
        let checks = gateway.wechat.count(APP, Endpoint::ApiDomainIp);
        let begun = std::time::Instant::now();
        let calls =
            (0..100).map(|_| async { json(message(&gateway), 200).await["errcode"] == 40001 });
        let refused = futures_util::future::join_all(calls).await;
        assert!(refused.into_iter().all(|refused| refused));
        assert_eq!(
            gateway.wechat.count(APP, Endpoint::TemplateSend),
            100,
            "each was sent once"
        );
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
        // Four looks, and for each `close_watch` of 150 ms one more and one verdict, however many calls.
        let watches = begun.elapsed().as_millis() / 150 + 1;
        let checks = gateway.wechat.count(APP, Endpoint::ApiDomainIp) - checks;
        assert!(
            checks as u128 <= 4 + watches * 2,
            "{checks} checks in {watches} times `close_watch`"
        );
    });
}

#[test]
fn a_token_that_dies_right_after_a_check_is_replaced_all_the_same() {
    timed(async || {
        // No check but those that calls have made; what one says would answer reports for a minute.
        let gateway = Gateway::tuned("", |settings| settings.refresh("close_watch", "60s")).await;
        for fetches in 2..4 {
            let lie = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::TemplateSend);
            gateway.wechat.faults().add(lie.once());
            assert_eq!(json(message(&gateway), 200).await["errcode"], 40001);
            assert_eq!(gateway.wechat.fetches(APP).len(), fetches - 1, "accepted");

            gateway.wechat.invalidate(APP);
            assert_eq!(json(message(&gateway), 200).await["errcode"], 0);
            assert_eq!(gateway.wechat.fetches(APP).len(), fetches);
        }
    });
}

#[test]
fn an_unmodified_client_is_told_busy_where_another_token_would_not_help() {
    timed(async || {
        let gateway = Gateway::start().await;
        let token = gateway.token().await;
        let path = format!("{TEMPLATE}?access_token={token}");
        let lie = Fault::new(FaultKind::Errcode(42001)).on(Endpoint::TemplateSend);
        gateway.wechat.faults().add(lie);
        let body = json!({"touser": FOLLOWER, "template_id": "t", "data": {}});
        let told = json(gateway.bare("POST", &path).json(&body), 200).await;
        assert_eq!(told["errcode"], -1, "{told}");
        assert!(
            told["errmsg"]
                .as_str()
                .is_some_and(|text| text.contains("42001"))
        );
        // With a body that was not kept, and a token that did die, the client may well try again.
        gateway.wechat.faults().clear();
        let form = form(&vec![1; 300_000]);
        gateway.wechat.foreign_fetch_twice(APP);
        let path = format!("/cgi-bin/media/upload?type=image&access_token={token}");
        let mut told = json!(null);
        for _ in 0..2 {
            let request = gateway.bare("POST", &path);
            let request = request.header("content-type", "multipart/form-data; boundary=x-y");
            told = json(request.body(form.clone()), 200).await;
            if told["errcode"] != 40001 {
                break;
            }
        }
        assert!(told["media_id"].is_string(), "{told}");
        assert_eq!(gateway.wechat.fetches(APP).len(), 2);
    });
}
