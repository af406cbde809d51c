//! What can be written but is not built yet. It is refused and never ignored: whoever configures a thing
//! relies on it. Building one of these ends with deleting its lines here.

use config::{Map, Value, ValueKind};

use super::report::Report;

const MESSAGE: &str = "is not available in this release";

/// Refuses what is configured and not available.
pub(super) fn refuse(tree: &Map<String, Value>, report: &Report) {
    let refuse_if = |configured: bool, key: &str| {
        if configured {
            report.refuse(key, MESSAGE);
        }
    };
    if let Some(ValueKind::Array(apps)) = tree.get("apps").map(|apps| &apps.kind) {
        for (index, app) in apps.iter().enumerate() {
            let tickets = table(app).and_then(|app| app.get("tickets"));
            refuse_if(is_filled(tickets), &format!("apps[{index}].tickets"));
        }
    }
}

fn table(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
}

/// A text or a list that is not empty; what has another form is told by whoever reads it.
fn is_filled(value: Option<&Value>) -> bool {
    match value.map(|value| &value.kind) {
        Some(ValueKind::String(text)) => !text.is_empty(),
        Some(ValueKind::Array(items)) => !items.is_empty(),
        _ => false,
    }
}
