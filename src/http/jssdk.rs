//! `/jssdk/{appid}`: signatures, ready for the JS-SDK, so that no page's server handles a ticket.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::pages::NotSigned;
use super::parameters::{Parameters, TEXT_MOST};
use super::problem::Problem;
use super::ticket::current;
use crate::domain::caller::Verb;
use crate::domain::credential::Kind;
use crate::signature::{Stamp, of_card, of_page, without_fragment};
use crate::snapshot::SlotId;

/// For `wx.config`.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedPage)]
pub(super) struct Page<'a> {
    /// The app.
    #[serde(rename = "appId")]
    app_id: &'a str,
    /// When it was signed, in seconds since 1970 UTC.
    timestamp: u64,
    /// Drawn anew for each signature.
    #[serde(rename = "nonceStr")]
    nonce_str: &'a str,
    /// SHA-1 in hexadecimal.
    signature: String,
}

/// An item of `wx.addCard`'s `cardList`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedCard<'a> {
    /// Which card.
    card_id: &'a str,
    /// JSON within JSON: the page hands it on as it is.
    card_ext: String,
}

/// What `cardExt` holds. All but the two last are signed.
#[derive(Serialize)]
struct CardExt<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<&'a str>,
    timestamp: String,
    nonce_str: &'a str,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_begintimestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outer_str: Option<&'a str>,
}

/// For `wx.chooseCard`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChosenCard<'a> {
    /// Cards of this shop; empty for any.
    shop_id: &'a str,
    /// Cards of this type; empty for any.
    card_type: &'a str,
    /// This card; empty for any.
    card_id: &'a str,
    /// When it was signed, in seconds since 1970 UTC.
    timestamp: u64,
    /// Drawn anew for each signature.
    nonce_str: &'a str,
    /// How it was signed.
    sign_type: &'static str,
    /// SHA-1 in hexadecimal.
    card_sign: String,
}

/// `GET /jssdk/{appid}?url=`.
pub(super) async fn page(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_with_query(Verb::Read)?;
    let query = call.query(&["url"])?;
    let url = without_fragment(query.required("url", TEXT_MOST)?);
    let app = call.broker().app(id);
    call.pages().judge(app, url).map_err(|why| match why {
        NotSigned::NotAPage => {
            let why = "It must be the page's whole address, http or https, percent-encoded once: encodeURIComponent(location.href.split('#')[0]).";
            Problem::bad_parameter(Some("url"), why)
        }
        NotSigned::Elsewhere => {
            let why = "The page is on none of the hosts whose pages are signed for this app (apps.jssdk_hosts).";
            Problem::bad_parameter(Some("url"), why)
        }
    })?;
    let (served, stamp) = (current(call, id, Kind::JsapiTicket).await?, stamp(call));
    Ok(HttpResponse::Ok().json(Page {
        app_id: app.as_str(),
        timestamp: stamp.timestamp,
        nonce_str: &stamp.nonce,
        signature: of_page(&served.grant.value, &stamp, url),
    }))
}

/// `GET /jssdk/{appid}/add-card`.
pub(super) async fn add_card(call: &Call) -> Result<HttpResponse, Problem> {
    let (id, query) = asked(
        call,
        &[
            "card_id",
            "code",
            "openid",
            "fixed_begintimestamp",
            "outer_str",
        ],
    )?;
    let card_id = query.required("card_id", CARD_MOST)?;
    let optional = |name| query.text(name, CARD_MOST);
    let (code, openid) = (optional("code")?, optional("openid")?);
    let (fixed_begintimestamp, outer_str) =
        (optional("fixed_begintimestamp")?, optional("outer_str")?);
    let (served, stamp) = (current(call, id, Kind::WxCardTicket).await?, stamp(call));
    let signed = [
        card_id,
        code.unwrap_or_default(),
        openid.unwrap_or_default(),
    ];
    let ext = CardExt {
        code,
        openid,
        timestamp: stamp.timestamp.to_string(),
        nonce_str: &stamp.nonce,
        signature: of_card(&served.grant.value, &stamp, &signed),
        fixed_begintimestamp,
        outer_str,
    };
    Ok(HttpResponse::Ok().json(AddedCard {
        card_id,
        // Texts only: nothing in it can fail to be written.
        card_ext: serde_json::to_string(&ext).unwrap_or_default(),
    }))
}

/// `GET /jssdk/{appid}/choose-card`. Each parameter may be left out: then any card may be chosen.
pub(super) async fn choose_card(call: &Call) -> Result<HttpResponse, Problem> {
    let (id, query) = asked(call, &["shop_id", "card_type", "card_id"])?;
    let optional = |name| query.text(name, CARD_MOST);
    let (shop_id, card_type, card_id) = (
        optional("shop_id")?,
        optional("card_type")?,
        optional("card_id")?,
    );
    let (shop_id, card_type, card_id) = (
        shop_id.unwrap_or_default(),
        card_type.unwrap_or_default(),
        card_id.unwrap_or_default(),
    );
    let app = call.broker().app(id).as_str();
    let (served, stamp) = (current(call, id, Kind::WxCardTicket).await?, stamp(call));
    let signed = [app, shop_id, card_type, card_id];
    Ok(HttpResponse::Ok().json(ChosenCard {
        shop_id,
        card_type,
        card_id,
        timestamp: stamp.timestamp,
        nonce_str: &stamp.nonce,
        sign_type: "SHA1",
        card_sign: of_card(&served.grant.value, &stamp, &signed),
    }))
}

/// The most bytes of what is told of a card.
pub(super) const CARD_MOST: usize = 128;

fn asked(call: &Call, known: &[&str]) -> Result<(SlotId, Parameters), Problem> {
    Ok((call.app_with_query(Verb::Read)?, call.query(known)?))
}

fn stamp(call: &Call) -> Stamp {
    Stamp {
        timestamp: call.broker().now().wall.as_secs(),
        nonce: format!("{:032x}", rand::random::<u128>()),
    }
}
