//! What mutants of the Lua scripts there are, and which of them change nothing that anybody could see.

use std::fmt;

use super::way::Replacement;

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../src/adapters/redis/scripts/", $name)))),*]
    };
}

const FILES: [(&str, &str); 14] = files![
    "arguments.lua",
    "begin.lua",
    "budget.lua",
    "check.lua",
    "commit.lua",
    "fail.lua",
    "format.lua",
    "grant.lua",
    "pause.lua",
    "protocol.lua",
    "put_back.lua",
    "read.lua",
    "state.lua",
    "suspect.lua"
];

/// What is turned round, and into what.
const TURNS: [(&str, &str); 19] = [
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " ~= "),
    (" ~= ", " == "),
    (" and ", " or "),
    (" or ", " and "),
    ("not ", ""),
    (" + ", " - "),
    (" - ", " + "),
    ("math.max", "math.min"),
    ("math.min", "math.max"),
    ("true", "false"),
    ("false", "true"),
    (" 1", " 2"),
    (" 0", " 1"),
    ("'always'", "'maybe'"),
    ("'maybe'", "'always'"),
];

/// A mutant that changes nothing that anybody could see.
pub(super) struct Equivalent {
    pub(super) file: &'static str,
    /// A part of the line as it is, and as it becomes; nothing where it is dropped.
    pub(super) was: &'static str,
    is: &'static str,
    /// Why nobody sees it.
    pub(super) why: &'static str,
}

pub(super) const EQUIVALENT: &[Equivalent] = &[
    Equivalent {
        file: "begin.lua",
        was: "and state.last_fetch ~= 0",
        is: "",
        why: "a spacing that is counted from 1970 is over",
    },
    Equivalent {
        file: "begin.lua",
        was: "and state.last_fetch ~= 0",
        is: "~= 1",
        why: "a spacing that is counted from 1970 is over",
    },
    Equivalent {
        file: "begin.lua",
        was: "or 0",
        is: "number('min_spacing') or 1",
        why: "both lie before any time that is now",
    },
    Equivalent {
        file: "begin.lua",
        was: "if state.cooldown_until then",
        is: "if true then",
        why: "it ends a cooldown where there is none",
    },
    Equivalent {
        file: "budget.lua",
        was: "if last then",
        is: "if true then",
        why: "what is given back was counted by the begin before it",
    },
    Equivalent {
        file: "check.lua",
        was: "state.check_claimed_at ~= 0",
        is: "~= 1",
        why: "who has checked a version has the time of it",
    },
    Equivalent {
        file: "commit.lua",
        was: "self:end_cooldown()",
        is: "",
        why: "a lease is handed out once no cooldown is left, and only its holder's failure, which ends it, begins one",
    },
    Equivalent {
        file: "format.lua",
        was: "if #changed > 0",
        is: "if #changed > 1",
        why: "they are names and texts by turns: two at least",
    },
    Equivalent {
        file: "format.lua",
        was: "return #changed + #gone > 0",
        is: "> 1",
        why: "only a begin asks, and none takes a single field away and changes nothing",
    },
    Equivalent {
        file: "format.lua",
        was: "if next(self.texts.grant) then",
        is: "if true then",
        why: "it deletes a key that is not there",
    },
];

/// One change of one line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mutant {
    pub(super) file: &'static str,
    line: usize,
    was: &'static str,
    is: String,
}

impl Mutant {
    pub(super) fn replacement(&self) -> Replacement {
        let original = FILES
            .iter()
            .find(|(name, _)| *name == self.file)
            .map(|(_, text)| *text)
            .unwrap_or_default();
        let lines = original.split_inclusive('\n').enumerate();
        let lines = lines.map(|(number, line)| {
            if number == self.line {
                line.replace(self.was, &self.is)
            } else {
                line.to_owned()
            }
        });
        Replacement {
            mutant: lines.collect(),
            original: original.to_owned(),
        }
    }

    pub(super) fn is_explained(&self) -> bool {
        EQUIVALENT.iter().any(|one| one.explains(self))
    }
}

impl Equivalent {
    pub(super) fn explains(&self, mutant: &Mutant) -> bool {
        let becomes = if self.is.is_empty() {
            mutant.is.is_empty()
        } else {
            mutant.is.contains(self.is)
        };
        self.file == mutant.file && mutant.was.contains(self.was) && becomes
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.file, self.line + 1);
        write!(
            f,
            "{file}:{line}\n  - {}\n  + {}",
            self.was.trim(),
            self.is.trim()
        )
    }
}

/// All mutants of all files: comments aside.
pub(super) fn mutants() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (file, text) in FILES {
        for (line, was) in text.lines().enumerate() {
            let code = was.split("--").next().unwrap_or_default();
            let mut add = |is: String| {
                mutants.push(Mutant {
                    file,
                    line,
                    was,
                    is,
                });
            };
            if is_statement(code) || is_row(code) {
                add(String::new());
            }
            for (from, to) in TURNS {
                for (at, _) in code.match_indices(from) {
                    add(format!("{}{to}{}", &was[..at], &was[at + from.len()..]));
                }
            }
            if let Some((start, end)) = condition_in(code) {
                for met in ["true", "false"] {
                    add(format!("{}{met}{}", &was[..start], &was[end..]));
                }
            }
        }
    }
    mutants
}

/// Where the condition stands on which the line's branch hangs.
fn condition_in(code: &str) -> Option<(usize, usize)> {
    let start = code.find("if ")? + "if ".len();
    let end = code.rfind(" then")?;
    (start < end).then_some((start, end))
}

/// Whether a line is one of a list's, so that it can be left out.
fn is_row(code: &str) -> bool {
    let code = code.trim();
    code.starts_with("{ ") && code.ends_with("},")
}

/// Whether a line stands for itself, so that it can be left out.
fn is_statement(code: &str) -> bool {
    let code = code.trim();
    let opens = [
        "function",
        "local function",
        "if ",
        "for ",
        "else",
        "end",
        "return {",
        "}",
        "{",
    ];
    !code.is_empty()
        && !opens.iter().any(|word| code.starts_with(word))
        && !code.ends_with(['{', '(', ','])
        && !code.ends_with("and")
        && !code.ends_with("or")
        && !code.ends_with('=')
        && !code.ends_with("..")
}
