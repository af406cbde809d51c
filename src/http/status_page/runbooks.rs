//! The runbooks of this very release, part of the binary: at night they are one click away, whatever else
//! cannot be reached. A link may lead elsewhere instead, to a copy that the company keeps.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::language::Language;

macro_rules! books {
    ($($name:literal),+ $(,)?) => {
        /// All of them, by file name.
        const BOOKS: &[(&str, &str)] = &[$(
            (concat!($name, ".md"), include_str!(concat!("../../../docs/runbooks/", $name, ".md"))),
            (
                concat!($name, ".zh-CN.md"),
                include_str!(concat!("../../../docs/runbooks/", $name, ".zh-CN.md")),
            ),
        )+];
    };
}

books!(
    "README",
    "TokenBrokerAbsent",
    "TokenBrokerAppPaused",
    "TokenBrokerAppRefused",
    "TokenBrokerBudgetBurning",
    "TokenBrokerForeignFetcher",
    "TokenBrokerGrantExpiresSoon",
    "TokenBrokerGrantPending",
    "TokenBrokerIpNotWhitelisted",
    "TokenBrokerNoLiveGrant",
    "TokenBrokerOverlapDetected",
    "TokenBrokerPanics",
    "TokenBrokerQuotaSpent",
    "TokenBrokerReplicaDown",
    "TokenBrokerReplicaUnvouched",
    "TokenBrokerReplicaWithoutGrant",
    "TokenBrokerSecretRefused",
    "TokenBrokerStoreAway",
    "TokenBrokerStoreLosesData",
    "TokenBrokerStoreUnusable",
    "TokenBrokerTicketNotKept",
    "TokenBrokerTokenSloFastBurn",
    "TokenBrokerTokenSloSlowBurn",
    "TokenBrokerWeChatAway",
);

/// Where links to runbooks lead.
#[derive(Clone, Debug)]
pub(super) struct Runbooks {
    /// What comes before `docs/runbooks/`; empty = the broker's own copies.
    base: String,
}

/// A runbook, ready to be shown.
pub(super) struct Book {
    pub(super) title: &'static str,
    pub(super) language: Language,
    pub(super) text: Markup,
}

impl Runbooks {
    pub(super) const fn at(base: String) -> Self {
        Self { base }
    }

    /// The address of a runbook, relative to the page.
    pub(super) fn link(&self, name: &str, language: Language) -> String {
        let file = file(name, language);
        if self.base.is_empty() {
            format!("runbooks/{file}")
        } else {
            format!("{}docs/runbooks/{file}", self.base)
        }
    }
}

fn file(name: &str, language: Language) -> String {
    match language {
        Language::English => format!("{name}.md"),
        Language::Chinese => format!("{name}.zh-CN.md"),
    }
}

/// The broker's own copy, by file name: its links to other runbooks work as they stand.
pub(super) fn book(file: &str) -> Option<Book> {
    let (name, source) = BOOKS.iter().find(|(name, _)| *name == file)?;
    let language = if name.ends_with(".zh-CN.md") {
        Language::Chinese
    } else {
        Language::English
    };
    Some(Book {
        title: name.split('.').next().unwrap_or_default(),
        language,
        text: render(source),
    })
}

fn render(source: &str) -> Markup {
    // What is not served here is no link: only its words are left.
    let leads_nowhere =
        |link: &Tag<'_>| matches!(link, Tag::Link { dest_url, .. } if dest_url.contains('/'));
    let mut open = Vec::new();
    let events = Parser::new_ext(source, Options::ENABLE_TABLES).filter(|event| match event {
        Event::Start(tag @ Tag::Link { .. }) => {
            let leads = !leads_nowhere(tag);
            open.push(leads);
            leads
        }
        Event::End(TagEnd::Link) => open.pop().unwrap_or(true),
        _ => true,
    });
    let mut text = String::with_capacity(source.len() * 2);
    pulldown_cmark::html::push_html(&mut text, events);
    // A table or a block of commands that is wider than the screen is scrolled by itself, by keys too.
    let text = text
        .replace("<table>", "<div class=\"scroll\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>")
        .replace("<pre>", "<pre tabindex=\"0\">")
        // A column whose words need no heading.
        .replace("<th></th>", "<td></td>");
    html! { (PreEscaped(text)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_runbook_of_the_repository_is_part_of_the_binary() -> std::io::Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(folder)? {
            files.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        let known: BTreeSet<_> = BOOKS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(known, files);
        Ok(())
    }

    #[test]
    fn no_link_of_a_runbook_leads_nowhere() {
        for (name, _) in BOOKS {
            let text = book(name).map(|book| book.text.into_string());
            let text = text.unwrap_or_default();
            assert!(text.contains("<h1>"), "{name}");
            for link in text.split("href=\"").skip(1) {
                let target = link.split('"').next().unwrap_or_default();
                assert!(book(target).is_some(), "{name} links to {target}");
            }
        }
    }

    #[test]
    fn a_company_may_keep_its_own_copies() {
        let own = Runbooks::at(String::new());
        let name = "TokenBrokerAbsent";
        assert_eq!(
            own.link(name, Language::Chinese),
            "runbooks/TokenBrokerAbsent.zh-CN.md"
        );
        let kept = Runbooks::at(String::from("https://git.example.com/tb/blob/main/"));
        assert_eq!(
            kept.link(name, Language::English),
            "https://git.example.com/tb/blob/main/docs/runbooks/TokenBrokerAbsent.md"
        );
    }
}
