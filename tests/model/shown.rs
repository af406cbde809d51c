//! What happened, for people.

use super::world::World;

impl World {
    /// What a replica asked, and what it was answered, for people.
    pub(crate) fn question(&self, index: usize) -> String {
        let actor = &self.sides[index].actor;
        actor
            .flights()
            .map(|flight| format!("{:?} → {:?} ", flight.call, flight.answer))
            .collect()
    }

    /// The state in a line, for people.
    pub(crate) fn summary(&self) -> String {
        let sides: Vec<String> = self
            .sides
            .iter()
            .map(|side| {
                let served = side.actor.serves(self.now, self.setting);
                let dead = served.is_some_and(|(token, _)| !self.upstream.accepts(token, self.now));
                let token = served.map(|(token, _)| token);
                format!(
                    "{:?} {token:?}{}",
                    side.actor.process,
                    if dead { "†" } else { "" }
                )
            })
            .collect();
        format!(
            "{} | {} | {} | {:?}",
            self.now,
            sides.join(" | "),
            self.store.summary(),
            self.upstream
        )
    }
}
