//! `[metrics]`: what is told to Prometheus.

use config::Value;

use super::section::Section;
use super::setting::{Setting, text};
use crate::metrics::AppSeries;

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsConfig {
    /// `apps`, `"all"`, `"troubled"` or `"none"`: which apps have series of their own. Default `all`.
    pub apps: AppSeries,
}

impl MetricsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            apps: section.get("apps", AppSeries::All),
        }
    }
}

impl Setting for AppSeries {
    const FORM: &'static str = r#""all", "troubled" or "none""#;

    fn read(value: &Value) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|series| Some(series.as_str()) == text(value))
    }
}
