//! The histories of the differential test by the protocol alone (`tests/mutation/run.sh` puts this beside the domain).
//!
//! `make mutants` has seen these very histories answered alike by the scripts and the protocol, step by step: a protocol
//! in which one of them takes another course is another one than the scripts'. What they came to before anything was
//! changed is kept in a file.

mod course;
mod history;
mod past;
mod sample;
mod scenes;
mod steps;

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

const HISTORIES: usize = 400;

const CAME_TO: &str = "histories-came-to";

#[test]
fn the_histories_take_the_course_that_the_scripts_give_them() {
    let mut runner = TestRunner::deterministic();
    let mut courses = DefaultHasher::new();
    for _ in 0..HISTORIES {
        let (rules, steps) = history::history()
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut course = course::Course::of(&rules);
        for step in &steps {
            let called = course.step(step).unwrap();
            format!("{called:?} {:?}", course.record).hash(&mut courses);
        }
    }
    let came_to = courses.finish().to_string();
    match fs::read_to_string(CAME_TO) {
        Ok(before) => assert_eq!(came_to, before),
        Err(_) => fs::write(CAME_TO, came_to).unwrap(),
    }
}
