//! The status page: what is wrong in words, in both languages, and nothing that is secret.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::App;
use actix_web::body::MessageBody as _;
use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::http::ops;
use token_broker::ports::Fetched;

use super::rig::{Answer, EMPTY, Rig, SERVED, TOKEN, key};

async fn get(rig: &Rig, path: &str) -> Answer {
    rig.send_ops(TestRequest::get().uri(path)).await
}

async fn get_in(rig: &Rig, language: &str, path: &str) -> String {
    let request = TestRequest::get().uri(path);
    let request = request.insert_header(("accept-language", language));
    rig.send_ops(request).await.text()
}

/// WeChat refuses to issue a token, and says why.
async fn refused(code: i64, message: &str, ip: &str) -> Rig {
    let rig = Rig::working();
    rig.upstream.will_issue(Fetched::Refused(UpstreamError {
        code,
        message: message.to_owned(),
        rid: None,
        ip: Some(ip.to_owned()),
    }));
    rig.get("reader", &format!("/token/{SERVED}")).await;
    rig
}

#[actix_web::test]
async fn the_page_tells_of_every_app_and_no_secret() {
    let rig = Rig::new();
    rig.serve();
    for path in ["/", "/?app=wx-served", "/?app=wx-empty"] {
        let answer = get(&rig, path).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("text/html"));
        assert_eq!(answer.header("cache-control"), "no-store");
        let page = answer.text();
        for secret in [TOKEN, "canary", &key("reader"), "tbk_"] {
            assert!(!page.contains(secret), "{path} tells {secret}");
        }
    }
    let page = get(&rig, "/").await.text();
    for word in [
        SERVED,
        EMPTY,
        "expires in",
        "No token yet; it is on its way",
    ] {
        assert!(page.contains(word), "{word} is missing");
    }
}

#[actix_web::test]
async fn what_is_wrong_is_said_in_words_with_what_to_do() {
    let rig = refused(40164, "invalid ip", "10.1.2.3").await;
    let page = get(&rig, "/").await.text();
    for words in [
        "Callers of 1 of 2 apps are refused now",
        "The broker's IP address is not on the app's whitelist",
        "WeChat saw the address 10.1.2.3.",
        "errcode 40164: invalid ip",
        "add the IP address that WeChat saw to the app's IP whitelist",
        "runbooks/TokenBrokerIpNotWhitelisted.md",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = get_in(&rig, "zh-CN,zh;q=0.9,en;q=0.5", "/").await;
    for words in [
        "lang=\"zh-CN\"",
        "共 2 个 appid，其中 1 个的调用方正被拒绝",
        "微信看到的地址是 10.1.2.3。",
        "runbooks/TokenBrokerIpNotWhitelisted.zh-CN.md",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = get_in(&rig, "zh-CN", "/?lang=en").await;
    assert!(
        page.contains("lang=\"en\""),
        "the address goes before the browser"
    );
}

#[actix_web::test]
async fn what_wechat_says_is_text_and_never_markup() {
    let rig = refused(12345, "<script>alert(1)</script>\"&", "1.2.3.4").await;
    let page = get(&rig, "/").await.text();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;"));
    let page = get(&rig, "/?app=%3Cscript%3E&q=%22%3E").await;
    assert_eq!(page.status, 404);
    assert!(!page.text().contains("of <script>"));
    assert!(page.text().contains("no token of &lt;script&gt;"));
}

#[actix_web::test]
async fn the_policy_admits_the_pages_own_style_and_script_and_nothing_else() {
    let rig = Rig::new();
    rig.serve();
    for path in ["/", "/?app=wx-served", "/runbooks/TokenBrokerAbsent.md"] {
        let answer = get(&rig, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!policy.contains("unsafe"));
        let page = answer.text();
        for forbidden in [" style=\"", " onclick", "src=\"http", "href=\"http"] {
            assert!(!page.contains(forbidden), "{path}: {forbidden}");
        }
    }
}

#[actix_web::test]
async fn a_search_finds_what_was_asked_for() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("reader", &format!("/token/{SERVED}")).await;
    let row = |app: &str| format!("<tr id=\"{app}-access_token\"");
    let found = async |path: &str| {
        let page = get(&rig, path).await.text();
        (page.contains(&row(SERVED)), page.contains(&row(EMPTY)))
    };
    assert_eq!(found("/").await, (true, true));
    assert_eq!(found("/?q=SERV&only=").await, (true, false));
    assert_eq!(found("/?only=trouble").await, (false, true));
    assert_eq!(found("/?q=other").await, (false, false));
    assert_eq!(found("/?page=7").await, (true, true), "the last there is");
    let answer = get(&rig, "/?page=first").await;
    assert_eq!(answer.problem(), "bad_parameter");
    assert_eq!(answer.json()["parameter"], "page");
}

#[actix_web::test]
async fn runbooks_are_served_by_the_broker_itself() {
    let rig = Rig::new();
    let answer = get(&rig, "/runbooks/TokenBrokerStoreAway.zh-CN.md").await;
    assert!(answer.text().contains("<html lang=\"zh-CN\">"));
    let answer = get(&rig, "/runbooks/..%2FCargo.toml").await;
    assert_eq!(answer.problem(), "no_such_route");
}

#[actix_web::test]
async fn so_many_pages_may_be_live_and_no_more() {
    let rig = Rig::new();
    let (state, page) = (Arc::new(rig.ops_state()), Arc::new(rig.page()));
    let service = init_service(App::new().configure(ops(state, page))).await;
    let open = async || {
        let request = TestRequest::get().uri("/live?lang=zh").to_request();
        let answer = service.call(request).await;
        answer.unwrap_or_else(|error| panic!("{error}"))
    };
    let mut live = Vec::new();
    for _ in 0..16 {
        let answer = open().await;
        assert_eq!(answer.status(), 200);
        live.push(answer);
    }
    assert_eq!(open().await.status(), 429);
    let mut body = live.remove(0).into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
    let first = first.and_then(Result::ok).unwrap_or_default();
    let first = String::from_utf8_lossy(&first);
    for part in ["event: parts", "id=\"state\"", "id=\"list\"", "正在启动"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    drop(body);
    assert_eq!(open().await.status(), 200, "a seat was given back");
}
