//! The operations of `/ticket` and `/jssdk`.

use serde_json::{Value, json};
use utoipa::openapi::Required;

use super::operation::{Operation, short, web_address, word};
use crate::domain::credential::Kind;
use crate::http::jssdk::{AddedCard, CARD_MOST, ChosenCard, Page};
use crate::http::parameters::TEXT_MOST;
use crate::http::route::Route;
use crate::http::ticket::Ticket;

const TAG: &str = "tickets";
const SIGNATURE: &str = "0f9de62fce790f9a083d5c99e95740ceb90c27ed";
const NONCE: &str = "a4c3b1f0e2d59687a4c3b1f0e2d59687";

fn ticket() -> Value {
    json!({
        "appid": "wx0000000000000001",
        "type": "jsapi",
        "ticket": "kN0tAr3alT1cket",
        "expires_in": 5399,
        "expires_at": 1_795_212_345_u64,
        "version": 1_795_206_945_123_456_u64,
    })
}

pub(super) fn read() -> Operation {
    let types = Kind::ALL.into_iter().filter_map(Kind::ticket_type);
    let types: Vec<_> = types.collect();
    Operation::get(Route::Ticket, "/ticket/{appid}/{type}")
        .says(
            TAG,
            "The current ticket",
            "Of an app that lists it in `apps.tickets`: kept fresh as the token is, and answered from memory. Needs the \
             verb `read`.",
        )
        .of_app()
        .path_parameter("type", "Which ticket.", word(&types), "jsapi")
        .answers_kept::<Ticket<'_>>("ticket", ticket(), "kN0tAr3alT1cket")
}

pub(super) fn page() -> Operation {
    Operation::get(Route::Jssdk, "/jssdk/{appid}")
        .says(
            TAG,
            "A page's signature, ready for wx.config",
            "For the page's address as the browser has it; a fragment is cut off. Where the app lists `jssdk_hosts`, \
             pages of other hosts are refused. Needs the verb `read`.",
        )
        .of_app()
        .query(
            "url",
            Required::True,
            "The page's whole address, percent-encoded once.",
            web_address(TEXT_MOST),
            "https://shop.example.com/?item=7",
        )
        .answers::<Page<'_>>(
            "Give it to `wx.config`, with `debug` and `jsApiList` of your own.",
            json!({
                "appId": "wx0000000000000001",
                "timestamp": 1_795_206_945_u64,
                "nonceStr": NONCE,
                "signature": SIGNATURE,
            }),
        )
}

/// A parameter that tells of a card.
fn of_card(operation: Operation, required: Required, name: &str, about: &str) -> Operation {
    operation.query(
        name,
        required,
        about,
        short(CARD_MOST),
        "pXch-jnOlGtbuWwIO2NDftZeynRE",
    )
}

pub(super) fn add_card() -> Operation {
    let operation = Operation::get(Route::AddCard, "/jssdk/{appid}/add-card").says(
        TAG,
        "A card's signature, ready for wx.addCard",
        "An item of its `cardList`. Needs the verb `read`.",
    );
    let operation = of_card(operation.of_app(), Required::True, "card_id", "Which card.");
    let more = [
        (
            "code",
            "The card's code, where the merchant gives codes out; signed.",
        ),
        ("openid", "Who may take it; signed."),
        (
            "fixed_begintimestamp",
            "When it begins to hold; not signed.",
        ),
        ("outer_str", "Where it was handed out; not signed."),
    ];
    more.into_iter()
        .fold(operation, |operation, (name, about)| {
            of_card(operation, Required::False, name, about)
        })
        .answers::<AddedCard<'_>>(
            "Hand `cardExt` on as it is: it is JSON in a text.",
            json!({
                "cardId": "pXch-jnOlGtbuWwIO2NDftZeynRE",
                "cardExt": format!(
                    r#"{{"timestamp":"1795206945","nonce_str":"{NONCE}","signature":"{SIGNATURE}"}}"#
                ),
            }),
        )
}

pub(super) fn choose_card() -> Operation {
    let operation = Operation::get(Route::ChooseCard, "/jssdk/{appid}/choose-card").says(
        TAG,
        "A signature to choose a card by, ready for wx.chooseCard",
        "What is left out does not narrow the choice. Needs the verb `read`.",
    );
    let narrowed = [
        ("shop_id", "Cards of this shop."),
        ("card_type", "Cards of this type."),
        ("card_id", "This card."),
    ];
    narrowed
        .into_iter()
        .fold(operation.of_app(), |operation, (name, about)| {
            of_card(operation, Required::False, name, about)
        })
        .answers::<ChosenCard<'_>>(
            "Give it to `wx.chooseCard`.",
            json!({
                "shopId": "",
                "cardType": "",
                "cardId": "",
                "timestamp": 1_795_206_945_u64,
                "nonceStr": NONCE,
                "signType": "SHA1",
                "cardSign": SIGNATURE,
            }),
        )
}
