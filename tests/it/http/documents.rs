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
