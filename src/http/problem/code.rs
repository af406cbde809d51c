//! The stable code of every refusal, its status and its title: one table, no other place decides them.
//! `docs/errors.md` lists the same, and a test holds the two equal.

use actix_web::http::StatusCode;

/// What a request was refused for: a closed set, stable across releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No key was sent.
    KeyMissing,
    /// What was sent is no key.
    KeyMalformed,
    /// It is nobody's key.
    KeyWrong,
    /// The caller lacks the verb.
    Forbidden,
    /// The appid is not one that the caller may know of.
    UnknownApp,
    /// The app has no such ticket.
    TicketNotKept,
    /// No such path.
    NoSuchRoute,
    /// The path exists; not with this method.
    MethodNotAllowed,
    /// A query where none is taken.
    UnexpectedQuery,
    /// The body is too large.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body is not JSON by its content type.
    UnsupportedMediaType,
    /// The body is not what the route takes.
    MalformedBody,
    /// A parameter is missing, doubled or not as it must be.
    BadParameter,
    /// The first token is on its way.
    Starting,
    /// The app is paused.
    Paused,
    /// WeChat refuses to issue a token.
    RefusedByUpstream,
    /// WeChat does not answer.
    UpstreamAway,
    /// The budget is spent.
    BudgetSpent,
    /// The store does not answer.
    StoreAway,
    /// The store holds what this broker must not touch.
    StoreUnusable,
    /// The last fetch is too recent for another.
    TooSoon,
    /// Somebody is refreshing already, or the attempt has to be made again.
    RefreshUnderWay,
    /// WeChat does not renew the stable token yet.
    NotRenewed,
    /// The refresh did not end in time.
    RefreshTimeout,
    /// The broker is stopping.
    Stopping,
    /// The caller has as many streams open as it may have.
    TooManyStreams,
    /// The caller asks more often than it may.
    RateLimited,
    /// WeChat refused a call that was made for the caller.
    UpstreamError,
    /// Nobody knows what became of a call that was made for the caller.
    UpstreamUnclear,
    /// The caller may not ask WeChat for this path.
    PathForbidden,
    /// This path of WeChat's is not passed on for anybody.
    PathClosed,
    /// The access token is none of ours.
    TokenUnknown,
    /// As many calls as may be are under way for the app.
    TooManyCalls,
}

impl Code {
    /// Every code, in the order of their declaration.
    pub const ALL: [Self; 34] = [
        Self::KeyMissing,
        Self::KeyMalformed,
        Self::KeyWrong,
        Self::Forbidden,
        Self::UnknownApp,
        Self::TicketNotKept,
        Self::NoSuchRoute,
        Self::MethodNotAllowed,
        Self::UnexpectedQuery,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::UnsupportedMediaType,
        Self::MalformedBody,
        Self::BadParameter,
        Self::Starting,
        Self::Paused,
        Self::RefusedByUpstream,
        Self::UpstreamAway,
        Self::BudgetSpent,
        Self::StoreAway,
        Self::StoreUnusable,
        Self::TooSoon,
        Self::RefreshUnderWay,
        Self::NotRenewed,
        Self::RefreshTimeout,
        Self::Stopping,
        Self::TooManyStreams,
        Self::RateLimited,
        Self::UpstreamError,
        Self::UpstreamUnclear,
        Self::PathForbidden,
        Self::PathClosed,
        Self::TokenUnknown,
        Self::TooManyCalls,
    ];

    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::KeyMissing => (S::UNAUTHORIZED, "key_missing", "No key was sent"),
            Self::KeyMalformed => (S::UNAUTHORIZED, "key_malformed", "This is not a key"),
            Self::KeyWrong => (S::UNAUTHORIZED, "key_wrong", "This key is nobody's"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "The key lacks a verb"),
            Self::UnknownApp => (S::NOT_FOUND, "unknown_app", "No such app"),
            Self::TicketNotKept => (S::NOT_FOUND, "ticket_not_kept", "No such ticket"),
            Self::NoSuchRoute => (S::NOT_FOUND, "no_such_route", "No such path"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Not with this method",
            ),
            Self::UnexpectedQuery => (
                S::BAD_REQUEST,
                "unexpected_query",
                "No query parameters here",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
            ),
            Self::BodyTimeout => (
                S::REQUEST_TIMEOUT,
                "body_timeout",
                "The body did not come in time",
            ),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be JSON",
            ),
            Self::MalformedBody => (
                S::BAD_REQUEST,
                "malformed_body",
                "The body cannot be understood",
            ),
            Self::BadParameter => (
                S::BAD_REQUEST,
                "bad_parameter",
                "A parameter is not as it must be",
            ),
            Self::Starting => (S::SERVICE_UNAVAILABLE, "starting", "No token yet"),
            Self::Paused => (S::SERVICE_UNAVAILABLE, "paused", "The app is paused"),
            Self::RefusedByUpstream => (
                S::SERVICE_UNAVAILABLE,
                "refused_by_upstream",
                "WeChat refuses to issue a token",
            ),
            Self::UpstreamAway => (
                S::SERVICE_UNAVAILABLE,
                "upstream_away",
                "WeChat does not answer",
            ),
            Self::BudgetSpent => (
                S::SERVICE_UNAVAILABLE,
                "budget_spent",
                "The app's fetches are used up",
            ),
            Self::StoreAway => (
                S::SERVICE_UNAVAILABLE,
                "store_away",
                "The store does not answer",
            ),
            Self::StoreUnusable => (
                S::SERVICE_UNAVAILABLE,
                "store_unusable",
                "The store's record cannot be used",
            ),
            Self::TooSoon => (
                S::TOO_MANY_REQUESTS,
                "too_soon",
                "The last fetch is too recent",
            ),
            Self::RefreshUnderWay => (
                S::CONFLICT,
                "refresh_under_way",
                "A refresh is under way already",
            ),
            Self::NotRenewed => (
                S::CONFLICT,
                "not_renewed",
                "WeChat does not renew this token yet",
            ),
            Self::RefreshTimeout => (
                S::GATEWAY_TIMEOUT,
                "refresh_timeout",
                "The refresh did not end in time",
            ),
            Self::Stopping => (
                S::SERVICE_UNAVAILABLE,
                "stopping",
                "This replica is stopping",
            ),
            Self::TooManyStreams => (
                S::TOO_MANY_REQUESTS,
                "too_many_streams",
                "The caller has too many streams open",
            ),
            Self::RateLimited => (
                S::TOO_MANY_REQUESTS,
                "rate_limited",
                "The caller asks more often than it may",
            ),
            Self::UpstreamError => (S::BAD_GATEWAY, "upstream_error", "WeChat refused the call"),
            Self::UpstreamUnclear => (
                S::GATEWAY_TIMEOUT,
                "upstream_unclear",
                "The outcome of the call is unknown",
            ),
            Self::PathForbidden => (
                S::FORBIDDEN,
                "path_forbidden",
                "The key does not open this path",
            ),
            Self::PathClosed => (S::FORBIDDEN, "path_closed", "This path is not passed on"),
            Self::TokenUnknown => (
                S::UNAUTHORIZED,
                "token_unknown",
                "This access token is not one of ours",
            ),
            Self::TooManyCalls => (
                S::TOO_MANY_REQUESTS,
                "too_many_calls",
                "Too many calls are under way for the app",
            ),
        }
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The word for it: in answers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// What it is, in a few words for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}
