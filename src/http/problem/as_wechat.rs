//! A refusal as WeChat would write it, for clients that expect WeChat. Never 40014 or 42001, and 40001 only for a
//! token that is none of ours: such a client throws its token away and fetches again, without end where the next one
//! is refused too.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Code, Problem};

/// What WeChat says where it is not the caller's fault and waiting may help.
const BUSY: i64 = -1;

/// A refusal in WeChat's shape.
#[derive(Serialize, ToSchema)]
#[schema(as = WeChatError)]
pub(in crate::http) struct InWeChatsShape {
    /// WeChat's code: 40125 for the key, 40013 for the app, -1 where waiting may help.
    errcode: i64,
    /// What happened, for people.
    errmsg: String,
}

impl Problem {
    /// Status 200, and the code that makes such a client do what is right.
    pub(in crate::http) fn render_as_wechat(&self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(InWeChatsShape {
                errcode: self.errcode(),
                errmsg: self.errmsg(),
            })
    }

    fn errcode(&self) -> i64 {
        match self.0.code {
            Code::KeyMissing | Code::KeyMalformed | Code::KeyWrong => 40125,
            Code::Forbidden | Code::UnknownApp => 40013,
            Code::BadParameter => match self.0.parameter.as_deref() {
                Some("grant_type") => 40002,
                Some("appid") => 41002,
                Some("secret") => 41004,
                Some("access_token") => 41001,
                Some("code" | "js_code") => 41008,
                Some("openid") => 41009,
                Some("refresh_token") => 41003,
                Some(_) | None => 40035,
            },
            Code::UnexpectedQuery => 40035,
            Code::MethodNotAllowed => match &self.0.header {
                Some((_, allowed)) if allowed.contains("GET") => 43001,
                Some(_) | None => 43002,
            },
            Code::BodyTooLarge
            | Code::BodyTimeout
            | Code::UnsupportedMediaType
            | Code::MalformedBody => 47001,
            // What WeChat says of the app's own secret is no fault of the caller's key.
            Code::UpstreamError => match self.0.upstream.as_ref().map(|error| error.code) {
                Some(40001 | 40013 | 40014 | 40125 | 42001) | None => BUSY,
                Some(code) => code,
            },
            // The broker has another, and answers it to whoever fetches.
            Code::TokenUnknown => 40001,
            // WeChat's own word for what an account may not call.
            Code::PathForbidden | Code::PathClosed | Code::TicketNotKept => 48001,
            // WeChat's own word for too many calls in a minute.
            Code::RateLimited => 45011,
            Code::NoSuchRoute
            | Code::TooManyStreams
            | Code::Starting
            | Code::Paused
            | Code::RefusedByUpstream
            | Code::UpstreamAway
            | Code::BudgetSpent
            | Code::StoreAway
            | Code::StoreUnusable
            | Code::TooSoon
            | Code::RefreshUnderWay
            | Code::NotRenewed
            | Code::RefreshTimeout
            | Code::Stopping
            | Code::UpstreamUnclear
            | Code::TooManyCalls => BUSY,
        }
    }

    fn errmsg(&self) -> String {
        let code = self.0.code.as_str();
        match &self.0.upstream {
            Some(error) => match &error.rid {
                Some(rid) => format!("{} rid: {rid}", error.message),
                None => error.message.clone(),
            },
            None => format!("token-broker: {code}: {}", self.0.detail),
        }
    }
}
