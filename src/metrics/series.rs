//! Which apps have series of their own: with ten thousand apps some twenty each are two hundred thousand.

use crate::domain::app_id::AppId;
use crate::overview::{Overview, Status};

/// Which apps have series of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppSeries {
    /// Every app.
    #[default]
    All,
    /// An app while something is the matter with it; what is counted in the ordinary course has no appid.
    Troubled,
    /// None: what is counted has no appid.
    None,
}

impl AppSeries {
    /// Every choice, in the order of the type.
    pub const ALL: [Self; 3] = [Self::All, Self::Troubled, Self::None];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Troubled => "troubled",
            Self::None => "none",
        }
    }

    /// Whether an app in this state has series.
    pub(super) fn tells_of(self, app: &Overview) -> bool {
        match self {
            Self::All => true,
            Self::Troubled => is_troubled(app),
            Self::None => false,
        }
    }

    /// The value of a counter's label appid.
    pub(super) fn label(self, app: &AppId, ordinary: bool) -> &str {
        match self {
            Self::All => app.as_str(),
            Self::Troubled if !ordinary => app.as_str(),
            // A label without a value is no label.
            Self::Troubled | Self::None => "",
        }
    }
}

fn is_troubled(app: &Overview) -> bool {
    let well = matches!(app.status, Status::Ok | Status::Due);
    let failing = app.stored.is_some_and(|stored| stored.failures > 0);
    !well || failing || app.pending || app.dead || !app.vouched || app.trouble.is_some()
}
