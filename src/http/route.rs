//! Which route a request came by: a closed set, the label of metrics and of access lines. A path never
//! is a label.

/// A route of the API listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/token/{appid}`
    Token,
    /// `/token/{appid}/events`
    Events,
    /// `/token/{appid}/report`
    Report,
    /// `/token/{appid}/refresh`
    Refresh,
    /// `/ticket/{appid}/{type}`
    Ticket,
    /// `/jssdk/{appid}`
    Jssdk,
    /// `/jssdk/{appid}/add-card`
    AddCard,
    /// `/jssdk/{appid}/choose-card`
    ChooseCard,
    /// `/user/{appid}/batch`
    Users,
    /// `/user/{appid}/{openid}`
    User,
    /// `/oauth/{appid}/authorize`
    Authorize,
    /// `/oauth/{appid}/exchange`
    Exchange,
    /// `/oauth/{appid}/refresh`
    RenewWeb,
    /// `/oauth/{appid}/userinfo`
    WebUser,
    /// `/oauth/{appid}/check`
    CheckWeb,
    /// `/session/{appid}`
    Session,
    /// `/cgi-bin/token`
    NativeToken,
    /// `/cgi-bin/stable_token`
    NativeStableToken,
    /// `/cgi-bin/ticket/getticket`
    NativeTicket,
    /// `/sns/oauth2/access_token`
    NativeExchange,
    /// `/sns/jscode2session`
    NativeSession,
    /// `/sns/oauth2/refresh_token`
    NativeRenewal,
    /// `/sns/userinfo`
    NativeWebUser,
    /// `/sns/auth`
    NativeWebCheck,
    /// `/gateway/{appid}/…`
    Gateway,
    /// WeChat's other paths
    NativeCall,
    /// `/apps`
    Apps,
    /// `/apps/{appid}`
    App,
    /// `/apps/{appid}/pause`
    Pause,
    /// `/apps/{appid}/resume`
    Resume,
    /// `/openapi.json`
    OpenApi,
    /// `/docs` and below
    Docs,
    /// Any other path.
    None,
}

impl Route {
    /// Every route, in the order of their declaration.
    pub const ALL: [Self; 33] = [
        Self::Token,
        Self::Events,
        Self::Report,
        Self::Refresh,
        Self::Ticket,
        Self::Jssdk,
        Self::AddCard,
        Self::ChooseCard,
        Self::Users,
        Self::User,
        Self::Authorize,
        Self::Exchange,
        Self::RenewWeb,
        Self::WebUser,
        Self::CheckWeb,
        Self::Session,
        Self::NativeToken,
        Self::NativeStableToken,
        Self::NativeTicket,
        Self::NativeExchange,
        Self::NativeSession,
        Self::NativeRenewal,
        Self::NativeWebUser,
        Self::NativeWebCheck,
        Self::Gateway,
        Self::NativeCall,
        Self::Apps,
        Self::App,
        Self::Pause,
        Self::Resume,
        Self::OpenApi,
        Self::Docs,
        Self::None,
    ];

    /// Whether it is one of WeChat's own, whose refusals have WeChat's shape.
    pub(super) const fn speaks_wechat(self) -> bool {
        matches!(
            self,
            Self::NativeToken
                | Self::NativeStableToken
                | Self::NativeTicket
                | Self::NativeExchange
                | Self::NativeSession
                | Self::NativeRenewal
                | Self::NativeWebUser
                | Self::NativeWebCheck
                | Self::NativeCall
        )
    }

    /// The word for it in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Events => "events",
            Self::Report => "report",
            Self::Refresh => "refresh",
            Self::Ticket => "ticket",
            Self::Jssdk => "jssdk",
            Self::AddCard => "jssdk_add_card",
            Self::ChooseCard => "jssdk_choose_card",
            Self::Users => "users",
            Self::User => "user",
            Self::Authorize => "oauth_authorize",
            Self::Exchange => "oauth_exchange",
            Self::RenewWeb => "oauth_refresh",
            Self::WebUser => "oauth_userinfo",
            Self::CheckWeb => "oauth_check",
            Self::Session => "session",
            Self::NativeToken => "cgi_bin_token",
            Self::NativeStableToken => "cgi_bin_stable_token",
            Self::NativeTicket => "cgi_bin_getticket",
            Self::NativeExchange => "sns_access_token",
            Self::NativeSession => "sns_jscode2session",
            Self::NativeRenewal => "sns_refresh_token",
            Self::NativeWebUser => "sns_userinfo",
            Self::NativeWebCheck => "sns_auth",
            Self::Gateway => "gateway",
            Self::NativeCall => "native_call",
            Self::Apps => "apps",
            Self::App => "app",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::OpenApi => "openapi",
            Self::Docs => "docs",
            Self::None => "none",
        }
    }
}
