//! A query → the address of WeChat's consent page. Whatever a caller asks for, the browser is sent to WeChat, for this
//! app, and comes back to the address that was asked for.

use actix_web::http::Uri;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, LOCATION};
use actix_web::test::TestRequest;
use url::Url;

use super::api::{FINE, ask};
use super::rig::{SERVED, key};

const PAGE: &str = "https://open.weixin.qq.com/connect/oauth2/authorize";

pub(crate) fn run(input: &[u8]) {
    let Ok(query) = std::str::from_utf8(input) else {
        return;
    };
    let target = format!("/oauth/{SERVED}/authorize?{query}");
    let Ok(uri) = Uri::try_from(&*target) else {
        return;
    };
    // A fragment is no part of it.
    let query = uri.query().unwrap_or_default();
    let asked_by = |accept: &'static str| {
        TestRequest::get()
            .uri(&target)
            .insert_header((AUTHORIZATION, format!("Bearer {}", key("caller"))))
            .insert_header((ACCEPT, accept))
    };
    let (told, asked) = ask(asked_by("application/json"), FINE);
    assert!(asked.is_empty(), "WeChat was asked");
    let (sent, _) = ask(asked_by("text/html"), FINE);
    if told.status != 200 {
        assert_eq!(told.problem(), "bad_parameter");
        assert_eq!(sent.status, told.status);
        return;
    }
    let document = told.json();
    let address = document["url"].as_str().expect("an address");
    assert_eq!(sent.status, 302);
    assert_eq!(sent.header(LOCATION.as_str()), address);
    check(address, query);
}

fn check(address: &str, query: &str) {
    let front = format!("{PAGE}?appid={SERVED}&redirect_uri=");
    assert!(address.starts_with(&front), "{address}");
    assert!(address.bytes().all(|b| b.is_ascii_graphic()), "{address}");
    assert_eq!(
        address.split_once('#').map(|(_, end)| end),
        Some("wechat_redirect")
    );
    assert!(address.len() <= 3 * query.len() + 256, "{address}");
    let url = Url::parse(address).expect("an address");
    assert_eq!(url.as_str(), address, "browsers read it otherwise");
    let told: Vec<_> = url.query_pairs().collect();
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_ref()).collect();
    let order = [
        "appid",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "forcePopup",
    ];
    let mut known = order.iter();
    let in_order = names.iter().all(|name| known.any(|known| known == name));
    assert!(in_order && names.len() >= 4, "{names:?}");
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let goes_on = told.iter().find(|(told, _)| *told == name);
        match (name.as_ref(), goes_on) {
            ("forcePopup", None) => assert_eq!(value, "false"),
            (_, Some((_, told))) => assert_eq!(*told, value, "{name}"),
            (_, None) => panic!("{name} was dropped"),
        }
        if name == "redirect_uri" {
            let back = Url::parse(&value).expect("an address to come back to");
            assert!(matches!(back.scheme(), "http" | "https") && back.has_host());
            assert!(back.username().is_empty() && back.password().is_none());
            assert_eq!(back.fragment(), None);
        }
    }
}
