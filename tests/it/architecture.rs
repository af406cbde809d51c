//! The house rules that a machine can check: who may import whom, and what every file begins with.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the tree, and words that its code must not contain.
struct Rule {
    part: &'static str,
    except: &'static [&'static str],
    never: &'static [&'static str],
    because: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        part: "src/domain",
        except: &[],
        never: &[
            "tokio",
            "serde",
            "tracing",
            "rand::",
            "Instant",
            "SystemTime",
            "std::fs",
            "std::net",
            "std::io",
            "std::thread",
            "async ",
            "Mutex",
            "Atomic",
        ],
        because: "the domain is pure: std and thiserror, no clock, no chance, no I/O, no state shared by threads",
    },
    Rule {
        part: "src/broker.rs",
        except: &[],
        never: &[
            "dyn Store",
            "dyn Upstream",
            "crate::adapters",
            "Publisher",
            "Arc<Refresher>",
        ],
        because: "a request can touch neither store nor upstream",
    },
    Rule {
        part: "src/calls",
        except: &[],
        never: &[
            "dyn Store",
            "dyn Upstream",
            "crate::adapters",
            "Publisher",
            "crate::http",
        ],
        because: "a call for a caller can neither fetch a token nor touch the store",
    },
    Rule {
        part: "src/http",
        except: &[],
        never: &[
            "dyn Store",
            "dyn Upstream",
            "crate::adapters",
            "Publisher",
            "refresher::Refresher",
        ],
        because: "a request can touch neither store nor upstream",
    },
    Rule {
        part: "src/adapters",
        except: &[],
        never: &[
            "crate::broker",
            "crate::refresher",
            "crate::scheduler",
            "crate::follower",
            "crate::snapshot",
            "crate::http",
            "crate::app",
            "crate::config",
            "crate::metrics",
            "crate::cli",
        ],
        because: "adapters know the ports and the domain, and nothing of the core",
    },
    Rule {
        part: "src/adapters/redis",
        except: &[],
        never: &["adapters::embedded", "adapters::wechat"],
        because: "adapters do not know each other",
    },
    Rule {
        part: "src/adapters/embedded",
        except: &[],
        never: &["adapters::redis", "adapters::wechat"],
        because: "adapters do not know each other",
    },
    Rule {
        part: "src/adapters/wechat",
        except: &[],
        never: &["adapters::redis", "adapters::embedded"],
        because: "adapters do not know each other",
    },
    Rule {
        part: "src",
        except: &[
            "src/app.rs",
            "src/app",
            "src/adapters",
            "src/lib.rs",
            "src/cli",
        ],
        never: &["crate::adapters"],
        because: "adapters meet the core only in app",
    },
    Rule {
        part: "tests/simulator",
        except: &[],
        never: &["token_broker"],
        because: "the simulator proves the wire contract, so it imports nothing of the broker",
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `part`, relative to the root.
fn rust_files(part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(part)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a readable directory");
            open.extend(entries.map(|entry| entry.expect("a readable entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(
                path.strip_prefix(root())
                    .expect("below the root")
                    .to_owned(),
            );
        }
    }
    found.sort();
    found
}

fn text(file: &Path) -> String {
    fs::read_to_string(root().join(file)).expect("a readable file")
}

/// The lines that are code: no comments, nothing below a test module's line.
fn code(file: &Path) -> Vec<(usize, String)> {
    let all = text(file);
    let product = all.split("#[cfg(test)]").next().unwrap_or_default();
    product
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

#[test]
fn everybody_imports_only_what_the_layout_allows() {
    let mut broken = Vec::new();
    for rule in RULES {
        let files = rust_files(rule.part);
        assert!(!files.is_empty(), "{} is gone; correct the rule", rule.part);
        let tests = |file: &Path| file.ends_with("tests.rs");
        let excepted = |file: &Path| rule.except.iter().any(|except| file.starts_with(except));
        for file in files.iter().filter(|file| !excepted(file) && !tests(file)) {
            for (number, line) in code(file) {
                for word in rule.never.iter().filter(|word| line.contains(**word)) {
                    broken.push(format!(
                        "{}:{number}: {word:?}: {}",
                        file.display(),
                        rule.because
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_domain_imports_nothing_of_ours() {
    for file in rust_files("src/domain") {
        for (number, line) in code(&file) {
            let foreign = line.contains("crate::") && !line.contains("crate::domain");
            assert!(!foreign, "{}:{number}: {line}", file.display());
        }
    }
}

#[test]
fn every_file_opens_with_why_it_exists() {
    for part in ["src", "tests"] {
        for file in rust_files(part) {
            assert!(
                text(&file).starts_with("//!"),
                "{} does not open with //!",
                file.display()
            );
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let tests = |file: &PathBuf| file.ends_with("tests.rs");
    for file in rust_files("src").into_iter().filter(|file| !tests(file)) {
        let lines = code(&file).len();
        assert!(
            lines <= 400,
            "{} has {lines} lines of code: make two of it",
            file.display()
        );
    }
}
