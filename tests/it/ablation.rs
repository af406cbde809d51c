//! The table of safeguards that `make ablate` takes out of the product fits the code as it is: what is to go is there
//! once, and the histories that have to fail exist.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::fs;
use std::path::Path;

fn text(of: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(of);
    fs::read_to_string(path).expect("a readable file")
}

/// The lines of a block that begin so, without that.
fn lines(block: &str, begin: &str) -> Vec<String> {
    let lines = block.lines().filter_map(|line| line.strip_prefix(begin));
    lines.map(String::from).collect()
}

#[test]
fn what_is_taken_out_of_the_product_is_in_it() {
    let table = text("tests/ablation/safeguards.txt");
    let blocks: Vec<&str> = table.split("\n== ").skip(1).collect();
    assert!(!blocks.is_empty(), "no safeguard is named");
    for block in blocks {
        let name = block.lines().next().unwrap_or_default();
        let file = lines(block, "in ").concat();
        let gone = lines(block, "-").join("\n") + "\n";
        assert_eq!(text(&file).matches(&gone).count(), 1, "{name}, in {file}");
        for history in lines(block, "fails ").concat().split(' ') {
            let (module, function) = history.split_once("::").expect("a module and a function");
            let there = text(&format!("tests/simulation/{module}.rs"))
                .contains(&format!("fn {function}()"));
            assert!(there, "{name}: no history {history}");
        }
    }
}
