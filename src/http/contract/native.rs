//! The operations on WeChat's own paths, in its own shape.

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ObjectBuilder, SchemaType, Type,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::operation::{JSON, Operation, object, short, text, word};
use crate::calls::{Profile, Session, WebToken};
use crate::http::native::{Ticket, Token};
use crate::http::oauth::CODE_MOST;
use crate::http::parameters::TEXT_MOST;
use crate::http::problem::InWeChatsShape;
use crate::http::route::Route;

const TAG: &str = "wechat";
const SECRET: &str = "tbk_orders_0000000000000000000000000000000000000000000000000000000000000000";

/// A token of web authorization, with WeChat's way of marking a virtual user.
struct NativeWebToken;

impl ToSchema for NativeWebToken {}

impl PartialSchema for NativeWebToken {
    fn schema() -> RefOr<Schema> {
        let mut schema = WebToken::schema();
        let one = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Integer))
            .description(Some("1 for a virtual user, whose data must not be kept."))
            .enum_values(Some([1]));
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object
                .properties
                .insert("is_snapshotuser".to_owned(), one.into());
        }
        schema
    }
}

/// What is the same on all of them.
fn native<T: ToSchema>(
    operation: Operation,
    summary: &str,
    about: &str,
    example: Value,
) -> Operation {
    let schema = AnyOfBuilder::new()
        .item(Ref::from_schema_name(T::name()))
        .item(Ref::from_schema_name(InWeChatsShape::name()));
    let refused = json!({"errcode": 40125, "errmsg": "token-broker: key_wrong: No caller in the broker's configuration has this key."});
    let examples = [
        ("answered", "As WeChat answers", example),
        ("refused", "A refusal", refused),
    ]
    .map(|(name, summary, value)| {
        (
            name,
            ExampleBuilder::new()
                .summary(summary)
                .value(Some(value))
                .build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    let response = ResponseBuilder::new()
        .description("The answer, or `errcode` and `errmsg`: WeChat's status is 200 for both.")
        .content(JSON, content);
    operation
        .says(TAG, summary, about)
        .knowing::<T>()
        .knowing::<InWeChatsShape>()
        .answer("200", response)
}

fn with_secret(operation: Operation, grant_type: &str) -> Operation {
    operation
        .query(
            "grant_type",
            Required::True,
            "What WeChat wants it to be.",
            word(&[grant_type]),
            grant_type,
        )
        .query(
            "appid",
            Required::True,
            "The app.",
            short(64),
            "wx0000000000000001",
        )
        .query(
            "secret",
            Required::True,
            "The caller's key, where an SDK puts the AppSecret.",
            short(256),
            SECRET,
        )
}

pub(super) fn token() -> Operation {
    let operation = Operation::get(Route::NativeToken, "/cgi-bin/token");
    native::<Token<'_>>(
        with_secret(operation, "client_credential"),
        "The current access token, as WeChat issues one",
        "From memory: asking again is no fetch. `expires_in` is what is left. Parameters that SDKs add are passed \
         over. Needs the verb `read`.",
        json!({"access_token": "72_kN0tAr3alT0ken", "expires_in": 5399}),
    )
}

pub(super) fn stable_token() -> Operation {
    let force = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Boolean))
        .build();
    let mut body = object(
        3,
        &[
            (
                "grant_type",
                "What WeChat wants it to be.",
                word(&["client_credential"]),
            ),
            ("appid", "The app.", short(64)),
            (
                "secret",
                "The caller's key, where an SDK puts the AppSecret.",
                short(256),
            ),
            (
                "force_refresh",
                "Taken as a report of the current token, never as a fetch.",
                force,
            ),
        ],
    );
    body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    let operation = Operation::post(Route::NativeStableToken, "/cgi-bin/stable_token").body(
        body,
        json!({"grant_type": "client_credential", "appid": "wx0000000000000001", "secret": SECRET}),
    );
    native::<Token<'_>>(
        operation,
        "The current access token, as WeChat issues a stable one",
        "Whatever the app's mode. Needs the verb `read`.",
        json!({"access_token": "72_kN0tAr3alT0ken", "expires_in": 5399}),
    )
}

pub(super) fn ticket() -> Operation {
    let operation = Operation::get(Route::NativeTicket, "/cgi-bin/ticket/getticket")
        .query(
            "access_token",
            Required::True,
            "An access token of the app that has not expired: whoever has it may have the ticket.",
            short(TEXT_MOST),
            "72_kN0tAr3alT0ken",
        )
        .query(
            "type",
            Required::True,
            "Which ticket.",
            word(&["jsapi", "wx_card"]),
            "jsapi",
        );
    native::<Ticket<'_>>(
        operation,
        "A ticket, as WeChat issues one",
        "From memory, of an app that lists it in `apps.tickets`: asking again is no fetch.",
        json!({"errcode": 0, "errmsg": "ok", "ticket": "kN0tAr3alT1cket", "expires_in": 5399}),
    )
}

pub(super) fn exchange() -> Operation {
    let operation = Operation::get(Route::NativeExchange, "/sns/oauth2/access_token");
    native::<NativeWebToken>(
        with_secret(operation, "authorization_code").query(
            "code",
            Required::True,
            "The code that came back.",
            short(CODE_MOST),
            "061KdS",
        ),
        "A code for a token, as WeChat does it",
        "`is_snapshotuser` is 1 for a virtual user, and not there for any other. Needs the verb `call`.",
        json!({
            "access_token": "72_w3bT0ken", "expires_in": 7200, "refresh_token": "72_r3freshT0ken",
            "openid": "oABCD", "scope": "snsapi_base",
        }),
    )
}

pub(super) fn session() -> Operation {
    let operation = Operation::get(Route::NativeSession, "/sns/jscode2session");
    native::<Session>(
        with_secret(operation, "authorization_code").query(
            "js_code",
            Required::True,
            "The code of `wx.login`.",
            short(CODE_MOST),
            "061KdS",
        ),
        "A mini-program's login, as WeChat does it",
        "Needs the verb `call`.",
        json!({"openid": "oABCD", "session_key": "tiihtNczf5v6AKRyjwEUhQ=="}),
    )
}

pub(super) fn renewal() -> Operation {
    let operation = Operation::get(Route::NativeRenewal, "/sns/oauth2/refresh_token")
        .query(
            "grant_type",
            Required::True,
            "What WeChat wants it to be.",
            word(&["refresh_token"]),
            "refresh_token",
        )
        .query(
            "appid",
            Required::True,
            "The app.",
            short(64),
            "wx0000000000000001",
        )
        .query(
            "refresh_token",
            Required::True,
            "What came with the token.",
            short(TEXT_MOST),
            "72_r3freshT0ken",
        );
    native::<NativeWebToken>(
        operation,
        "A person's token renewed, as WeChat does it",
        "The refresh token is the credential, of an app that some caller may ask `/sns/oauth2/refresh_token` for. \
         WeChat's refusals come as they are.",
        json!({
            "access_token": "72_w3bT0ken", "expires_in": 7200, "refresh_token": "72_r3freshT0ken",
            "openid": "oABCD", "scope": "snsapi_base",
        }),
    )
}

/// What stands for a person on these paths.
fn with_persons_token(operation: Operation) -> Operation {
    let openid = text().pattern(Some("^[A-Za-z0-9_-]{1,128}$")).build();
    operation
        .query(
            "access_token",
            Required::True,
            "The person's token, as a code was exchanged for it.",
            short(TEXT_MOST),
            "72_w3bT0ken",
        )
        .query("openid", Required::True, "The person.", openid, "oABCD")
}

pub(super) fn web_user() -> Operation {
    let operation = Operation::get(Route::NativeWebUser, "/sns/userinfo");
    native::<Profile>(
        with_persons_token(operation).query(
            "lang",
            Required::False,
            "In which language places are named.",
            word(&["zh_CN", "zh_TW", "en", "zh-CN", "zh-TW"]),
            "zh_CN",
        ),
        "The profile of whose token it is, as WeChat tells it",
        "The person's token is the credential, and goes on as it is. Open where some caller may ask for \
         `/sns/userinfo`. WeChat's refusals come as they are.",
        json!({"openid": "oABCD", "nickname": "N", "sex": 0, "privilege": []}),
    )
}

pub(super) fn web_check() -> Operation {
    let operation = Operation::get(Route::NativeWebCheck, "/sns/auth");
    native::<InWeChatsShape>(
        with_persons_token(operation),
        "Whether a person's token is good, as WeChat says it",
        "The person's token is the credential, and goes on as it is. Open where some caller may ask for `/sns/auth`. \
         WeChat's refusals come as they are.",
        json!({"errcode": 0, "errmsg": "ok"}),
    )
}
