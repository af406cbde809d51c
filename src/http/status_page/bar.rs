//! A token's life as a bar: what is over, what is left, and the mark where it is refreshed. Drawn by
//! attributes alone, since the page's policy takes no inline styles; the words beside it say the same.

use maud::{Markup, html};

use crate::overview::Overview;
use crate::trouble::Weight;

/// How many steps the bar has: fine enough to see it move, coarse enough that the page stands still.
const STEPS: f64 = 200.0;

/// The bar; an empty one where nothing is served.
pub(super) fn bar(app: &Overview, weight: Option<Weight>) -> Markup {
    let shape = Shape::of(app);
    let class = match (weight, shape.is_some()) {
        (Some(Weight::Refusing), _) | (_, false) => "bar refusing",
        (Some(Weight::Act), true) => "bar act",
        (Some(Weight::Know) | None, true) => "bar well",
    };
    html! {
        svg class=(class) viewBox="0 0 200 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect class="track" width="200" height="10" {}
            @if let Some(shape) = shape {
                rect class="left" x=(shape.over) width=(STEPS - shape.over) height="10" {}
                rect class="mark" x=(shape.due) width="2" height="10" {}
            }
        }
    }
}

/// Where things are on the bar, in steps.
#[derive(Debug, PartialEq)]
struct Shape {
    over: f64,
    due: f64,
}

impl Shape {
    fn of(app: &Overview) -> Option<Self> {
        let (left, life) = (app.expires_in?, app.life.filter(|life| !life.is_zero())?);
        let due = app.refresh_at?.since(app.issued_at?);
        let at = |part: f64| (part * STEPS).round().clamp(0.0, STEPS);
        Some(Self {
            over: at(1.0 - left.as_secs_f64() / life.as_secs_f64()),
            due: at(due.as_secs_f64() / life.as_secs_f64()).min(STEPS - 2.0),
        })
    }
}
