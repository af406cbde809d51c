//! `/user/{appid}`: profiles, one by its openid or many at once.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{AnyOfBuilder, Array, ArrayBuilder};

use super::call::Call;
use super::parameters::Parameters;
use super::problem::{Brief, Problem};
use crate::calls::{BATCH_GET, BATCH_MOST, Lang, Profile, USER_INFO, UserResult};

/// The most bytes of a batch: ten thousand openids have some 320 KiB.
const BATCH_BODY: usize = 1 << 20;

/// How a batch's body must look, for people.
const FORM: &str = r#"{"openids": ["..."], "lang": "zh_CN"}"#;

pub(super) const LANGS: &str = "It must be zh_CN, zh_TW or en.";
pub(super) const OPENID: &str = "It must be 1 to 128 letters, digits, '_' and '-'.";

/// One profile.
pub(super) async fn one(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask_with_query(USER_INFO)?;
    let parameters = call.query(&["lang"])?;
    let lang = parameters.parsed("lang", LANGS, Lang::parse)?;
    let openid = Some(call.path("openid")).filter(|openid| is_openid(openid));
    let openid = openid.ok_or_else(|| Problem::bad_parameter(Some("openid"), OPENID))?;
    let told = call.calls().user(id, openid, lang).await;
    let profile = told.map_err(|error| Problem::of_call(error, call.broker().app(id)))?;
    Ok(HttpResponse::Ok().json(profile))
}

/// Many profiles.
pub(super) async fn batch(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(BATCH_GET)?;
    let body = call
        .parameters(BATCH_BODY, FORM, &["openids", "lang"])
        .await?;
    let (openids, lang) = (openids(&body)?, body.parsed("lang", LANGS, Lang::parse)?);
    let app = call.broker().app(id);
    let told = call.calls().users(id, &openids, lang).await;
    let told = told.map_err(|error| Problem::of_call(error, app))?;
    let users = openids
        .iter()
        .filter_map(|openid| told.get_key_value(openid));
    Ok(HttpResponse::Ok().json(Users {
        appid: app.as_str(),
        users: users
            .map(|(openid, result)| User::of(openid, result))
            .collect(),
    }))
}

/// What came of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct Users<'a> {
    /// The app.
    appid: &'a str,
    /// For each openid, in the order asked: its profile, or why there is none.
    #[schema(schema_with = profile_or_missing)]
    users: Vec<User<'a>>,
}

/// A profile, or why there is none.
#[derive(Serialize)]
#[serde(untagged)]
enum User<'a> {
    Told(&'a Profile),
    Missing(Missing<'a>),
}

/// Why a profile is missing.
#[derive(Serialize, ToSchema)]
pub(super) struct Missing<'a> {
    /// Whose.
    openid: &'a str,
    /// Why.
    error: Brief,
}

impl<'a> User<'a> {
    fn of(openid: &'a str, result: &'a UserResult) -> Self {
        match result {
            Ok(profile) => Self::Told(profile),
            Err(error) => Self::Missing(Missing {
                openid,
                error: Brief::of_call(error),
            }),
        }
    }
}

/// Not one of the two: what is missing would do for a profile, since WeChat may add to one.
fn profile_or_missing() -> Array {
    let either = AnyOfBuilder::new()
        .item(Ref::from_schema_name(Profile::name()))
        .item(Ref::from_schema_name(Missing::name()));
    ArrayBuilder::new().items(either).build()
}

fn openids(body: &Parameters) -> Result<Vec<String>, Problem> {
    let wrong = |why| Err(Problem::bad_parameter(Some("openids"), why));
    let Some(value) = body.value("openids") else {
        return wrong("It is missing.");
    };
    match value.as_array() {
        None => wrong("It must be a list of texts."),
        Some(list) if list.is_empty() => wrong("It is empty."),
        Some(list) if list.len() > BATCH_MOST => wrong("It holds more than 10000."),
        Some(list) => {
            let text = |value: &Value| Some(value.as_str()?.to_owned());
            let openids = list
                .iter()
                .map(|value| text(value).filter(|id| is_openid(id)));
            openids.collect::<Option<_>>().map_or_else(
                || wrong("Each must be 1 to 128 letters, digits, '_' and '-'."),
                Ok,
            )
        }
    }
}

pub(super) fn is_openid(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}
