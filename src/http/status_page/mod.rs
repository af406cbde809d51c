//! `/` on the operations listener: what is wrong, for which app, how long there is, and what to do; then
//! every app. For whoever was woken at three in the morning, in English and Chinese.
//!
//! Read only, and made of one reading of the snapshot ([`board`]): a page costs neither a question to the
//! store nor one to WeChat. No token and no secret can be on it, since no type that it is made of has one.
//! It works without a script; with one, it follows what changes ([`live`]).

mod assets;
mod bar;
mod board;
mod detail;
mod findings;
mod headline;
mod language;
mod layout;
mod list;
mod live;
mod question;
mod replica;
mod runbooks;
mod sentences;
mod span;
mod words;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwapOption;
use maud::Markup;
use tokio::sync::Semaphore;

use self::board::Board;
use self::layout::Sight;
use self::question::Question;
use self::replica::Replica;
use self::runbooks::Runbooks;
use super::problem::Problem;
use super::readiness::{NotReady, Readiness};
use crate::domain::time::Moment;
use crate::metrics::Metrics;
use crate::ports::Clock;
use crate::snapshot::Reader;

/// How old a reading may be and still be shown again.
const FRESH: Duration = Duration::from_millis(900);

/// What the page needs beside the snapshot.
#[derive(Clone, Debug, Default)]
pub struct PageSettings {
    /// The kind of the store, as configured.
    pub store: &'static str,
    /// What links to runbooks begin with; empty = the broker's own copies.
    pub runbook_base: String,
}

/// The page of one replica.
pub struct StatusPage {
    reader: Reader,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    runbooks: Runbooks,
    store: &'static str,
    name: String,
    started: Moment,
    latest: ArcSwapOption<Board>,
    seats: Arc<Semaphore>,
}

impl StatusPage {
    /// Tells what `reader` holds and what `metrics` and `readiness` say of the rest.
    #[must_use]
    pub fn new(
        settings: PageSettings,
        reader: Reader,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        readiness: Readiness,
    ) -> Self {
        Self {
            name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            started: clock.now(),
            runbooks: Runbooks::at(settings.runbook_base),
            store: settings.store,
            reader,
            clock,
            metrics,
            readiness,
            latest: ArcSwapOption::empty(),
            seats: Arc::new(Semaphore::new(live::MOST)),
        }
    }

    /// The latest reading. Two that come at once may both make one: no lock is needed for that.
    fn board(&self) -> Arc<Board> {
        let now = self.clock.now();
        let latest = self.latest.load_full();
        let fresh = |board: &Arc<Board>| now.boot.saturating_sub(board.at.boot) < FRESH;
        if let Some(board) = latest.filter(fresh) {
            return board;
        }
        let (store_up, wechat_up) = (self.metrics.store_up(), self.metrics.upstream_up());
        let board = Arc::new(Board::read(&self.reader, now, store_up, wechat_up));
        self.latest.store(Some(Arc::clone(&board)));
        board
    }

    fn see<R>(&self, question: &Question, look: impl FnOnce(&Sight<'_>) -> R) -> R {
        let board = self.board();
        let judged = self.readiness.judge();
        let stopping = judged == Err(NotReady::Stopping);
        let replica = Replica {
            name: &self.name,
            running: board.at.boot.saturating_sub(self.started.boot),
            store: self.store,
            not_ready: judged.err().map(|why| why.to_string()),
        };
        look(&Sight {
            board: &board,
            question,
            replica: &replica,
            runbooks: &self.runbooks,
            stopping,
        })
    }

    /// The parts that change, and when they were read.
    fn parts(&self, question: &Question) -> (Duration, String) {
        self.see(question, |sight| {
            (sight.board.at.wall, sight.parts().into_string())
        })
    }

    fn page(&self, question: &Question) -> (StatusCode, Markup) {
        self.see(question, |sight| {
            let status = if sight.lacks_its_app() {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            (status, sight.page())
        })
    }
}

/// The page.
pub(super) async fn page(request: HttpRequest, page: web::Data<StatusPage>) -> HttpResponse {
    let question = match Question::read(query(&request), request.headers()) {
        Ok(question) => question,
        Err(problem) => return problem.render(),
    };
    // With many apps this is work: done apart, so that no probe waits for it.
    match web::block(move || page.page(&question)).await {
        Ok((status, markup)) => html(status, markup),
        // The threads for this are gone only at shutdown.
        Err(_) => Problem::stopping().render(),
    }
}

/// The page's changes.
pub(super) async fn follow(request: HttpRequest, page: web::Data<StatusPage>) -> HttpResponse {
    match Question::read(query(&request), request.headers()) {
        Ok(question) => live::open(page.into_inner(), question),
        Err(problem) => problem.render(),
    }
}

/// A runbook.
pub(super) async fn runbook(request: HttpRequest) -> HttpResponse {
    let file = request.match_info().get("file").unwrap_or_default();
    match runbooks::book(file) {
        Some(book) => html(StatusCode::OK, layout::runbook(&book)),
        None => Problem::no_such_route().render(),
    }
}

fn query(request: &HttpRequest) -> Option<&str> {
    Some(request.query_string()).filter(|query| !query.is_empty())
}

fn html(status: StatusCode, markup: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "accept-language"))
        .insert_header((CONTENT_SECURITY_POLICY, assets::POLICY.as_str()))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .body(markup.into_string())
}
