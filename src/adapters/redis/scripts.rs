//! The scripts as they are sent: the shared part, the file of the change, and the call that starts it.

use redis::Script;

/// Puts a script together when the crate is compiled.
macro_rules! change {
    ($file:literal, $name:literal) => {
        Script::new(concat!(
            include_str!("scripts/arguments.lua"),
            include_str!("scripts/format.lua"),
            include_str!("scripts/grant.lua"),
            include_str!("scripts/budget.lua"),
            include_str!("scripts/state.lua"),
            include_str!("scripts/protocol.lua"),
            include_str!($file),
            "\nreturn change('",
            $name,
            "')\n"
        ))
    };
}

/// One script for each call of the `Store` port.
pub(super) struct Scripts {
    pub(super) begin: Script,
    pub(super) commit: Script,
    pub(super) fail: Script,
    pub(super) release: Script,
    pub(super) claim_check: Script,
    pub(super) judge: Script,
    pub(super) put_back: Script,
    pub(super) suspect: Script,
    pub(super) set_pause: Script,
    pub(super) read: Script,
    pub(super) discard: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            begin: change!("scripts/begin.lua", "begin"),
            commit: change!("scripts/commit.lua", "commit"),
            fail: change!("scripts/fail.lua", "fail"),
            release: change!("scripts/fail.lua", "release"),
            claim_check: change!("scripts/check.lua", "claim_check"),
            judge: change!("scripts/check.lua", "judge"),
            put_back: change!("scripts/put_back.lua", "put_back"),
            suspect: change!("scripts/suspect.lua", "suspect"),
            set_pause: change!("scripts/pause.lua", "set_pause"),
            read: Script::new(include_str!("scripts/read.lua")),
            discard: Script::new(include_str!("scripts/discard.lua")),
        }
    }
}

/// The name of each change and the SHA-1 under which Redis knows its script: what `SLOWLOG` and `MONITOR`
/// show is `EVALSHA` and this hash.
#[must_use]
pub fn script_hashes() -> Vec<(&'static str, String)> {
    let Scripts {
        begin,
        commit,
        fail,
        release,
        claim_check,
        judge,
        put_back,
        suspect,
        set_pause,
        read,
        discard,
    } = Scripts::new();
    let named = [
        ("begin", begin),
        ("commit", commit),
        ("fail", fail),
        ("release", release),
        ("claim_check", claim_check),
        ("judge", judge),
        ("put_back", put_back),
        ("suspect", suspect),
        ("set_pause", set_pause),
        ("read", read),
        ("discard", discard),
    ];
    named
        .map(|(name, script)| (name, script.get_hash().to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use crate::domain::upstream_error::ErrorClass;

    #[test]
    fn the_scripts_know_every_class_that_a_cooldown_can_have() {
        let format = include_str!("scripts/format.lua");
        let list = format
            .split("CLASSES = set_of(")
            .nth(1)
            .and_then(|rest| rest.split(')').next())
            .unwrap_or_default();
        let known: Vec<_> = list.split([' ', '\'', '.', '\n']).collect();
        for class in ErrorClass::ALL {
            assert!(known.contains(&class.as_str()), "{class:?}");
        }
    }
}
