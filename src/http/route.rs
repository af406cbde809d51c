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
    /// `/apps`
    Apps,
    /// `/apps/{appid}`
    App,
    /// `/apps/{appid}/pause`
    Pause,
    /// `/apps/{appid}/resume`
    Resume,
    /// Any other path.
    None,
}

impl Route {
    /// Every route, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Token,
        Self::Events,
        Self::Report,
        Self::Refresh,
        Self::Apps,
        Self::App,
        Self::Pause,
        Self::Resume,
        Self::None,
    ];

    /// The word for it in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Events => "events",
            Self::Report => "report",
            Self::Refresh => "refresh",
            Self::Apps => "apps",
            Self::App => "app",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::None => "none",
        }
    }
}
