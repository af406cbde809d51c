//! `docs/errors.md` says what the code says.

use std::collections::BTreeSet;

use token_broker::http::Code;

#[test]
fn every_code_is_documented_with_its_status() {
    let rows = include_str!("../../../docs/errors.md").lines();
    let documented: BTreeSet<_> = rows
        .filter(|row| row.starts_with("| `"))
        .map(|row| {
            let cells: Vec<_> = row
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect();
            (cells[1].clone(), cells[2].clone())
        })
        .collect();
    let known: BTreeSet<_> = Code::ALL
        .into_iter()
        .map(|code| (code.as_str().to_owned(), code.status().as_str().to_owned()))
        .collect();
    assert_eq!(documented, known);
}

/// What stands between lines of three backticks.
fn programs(document: &str) -> Vec<&str> {
    document.split("```").skip(1).step_by(2).collect()
}

#[test]
fn callers_are_shown_the_same_programs_in_both_languages() {
    let english = include_str!("../../../docs/clients.md");
    let chinese = include_str!("../../../docs/clients.zh-CN.md");
    let told = programs(english);
    assert!(told.len() > 10, "{}", told.len());
    assert_eq!(told, programs(chinese));
    for front in ["## ", "### ", "| "] {
        let count = |text: &str| text.lines().filter(|line| line.starts_with(front)).count();
        assert_eq!(
            count(english),
            count(chinese),
            "lines that begin with {front:?}"
        );
    }
}

#[test]
fn no_two_codes_share_a_word_and_each_stands_at_its_place() {
    let words: BTreeSet<_> = Code::ALL.into_iter().map(Code::as_str).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for (index, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, index, "{code:?}");
    }
    for (index, route) in token_broker::http::Route::ALL.into_iter().enumerate() {
        assert_eq!(route as usize, index, "{route:?}");
    }
}
