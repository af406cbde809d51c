//! What a release says of itself: one version everywhere, and CI files that call what the Makefile has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn binary_image_chart_and_compose_file_have_one_version() {
    let compose = format!("token-broker:${{VERSION:-{VERSION}}}");
    let chart = format!("appVersion: \"{VERSION}\"");
    let places = [
        ("helm/token-broker/Chart.yaml", chart.as_str()),
        ("deploy/Dockerfile", &format!("ARG VERSION={VERSION}")),
        ("docker-compose.yml", &compose),
    ];
    for (path, wanted) in places {
        let text = read(path);
        let lines = text.lines();
        let found = lines.filter(|line| line.contains(wanted)).count();
        assert!(
            found > 0,
            "{path} does not say {wanted:?}: run deploy/checks/sync.py"
        );
    }
    let label = "org.opencontainers.image.version=\"${VERSION}\"";
    assert!(read("deploy/Dockerfile").contains(label));
}

#[test]
fn the_changelog_has_a_place_for_what_comes_and_names_no_version_twice() {
    let text = read("CHANGELOG.md");
    let heads: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let once: BTreeSet<_> = heads.iter().collect();
    assert_eq!(heads.len(), once.len(), "{heads:?}");
    assert_eq!(heads.first(), Some(&"## Unreleased"));
}

#[test]
fn the_pipelines_call_targets_that_the_makefile_has() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter_map(|line| line.strip_prefix(".PHONY: "))
        .collect();
    let pipelines = [
        ".gitlab-ci.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/audit.yml",
        ".github/workflows/release.yml",
    ];
    for path in pipelines {
        let text = read(path);
        let commands = text
            .lines()
            .map(|line| line.trim_start_matches([' ', '-']))
            .map(|line| line.strip_prefix("run: ").unwrap_or(line))
            .filter(|line| line.starts_with("make "));
        let called: BTreeSet<_> = commands
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert!(!called.is_empty(), "{path} calls nothing");
        assert!(called.is_subset(&targets), "{path} calls {called:?}");
    }
}
