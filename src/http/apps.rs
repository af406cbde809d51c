//! `/apps`: the state of apps without their secrets; pausing and resuming them.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::problem::Problem;
use crate::broker::Broker;
use crate::domain::caller::Verb;
use crate::domain::credential::Kind;
use crate::domain::time::Timestamp;
use crate::overview::{Overview, trouble_word};
use crate::reload::Standing;
use crate::snapshot::SlotId;

/// All apps that the caller administers.
pub(super) async fn all(call: &Call) -> Result<HttpResponse, Problem> {
    let rights = call.caller()?.rights;
    let broker = call.broker();
    let administered = |id: &SlotId| rights.allows(broker.app(*id), Verb::Admin);
    let all = broker.reader().access_tokens();
    let ids = all.iter().copied().filter(administered);
    let apps: Vec<_> = ids.map(|id| AppState::of(broker, id)).collect();
    if apps.is_empty() && !all.is_empty() {
        return Err(Problem::admin_of_none());
    }
    let standing = call.worker().state.standing.load();
    let configuration = Configuration::of(&standing);
    Ok(HttpResponse::Ok().json(Apps {
        apps,
        configuration,
    }))
}

/// One app.
pub(super) async fn one(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Admin)?;
    Ok(HttpResponse::Ok().json(AppState::of(call.broker(), id)))
}

/// No fetch any more.
pub(super) async fn pause(call: &Call) -> Result<HttpResponse, Problem> {
    set_pause(call, true).await
}

/// Fetches again, also after a refusal whose cause is mended.
pub(super) async fn resume(call: &Call) -> Result<HttpResponse, Problem> {
    set_pause(call, false).await
}

async fn set_pause(call: &Call, paused: bool) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Admin)?;
    let broker = call.broker();
    let set = broker.set_pause(id, paused).await;
    set.map_err(|refusal| Problem::not_paused(&refusal, broker.app(id)))?;
    tracing::warn!(appid = %broker.app(id), paused, caller = call.known_caller().map(tracing::field::display), "an app was paused or resumed");
    Ok(HttpResponse::Ok().json(AppState::of(broker, id)))
}

/// The state of apps.
#[derive(Serialize, ToSchema)]
pub(super) struct Apps<'a> {
    /// Those that the caller administers.
    apps: Vec<AppState<'a>>,
    /// How the configuration in force stands to the one that is written.
    configuration: Configuration<'a>,
}

/// How the configuration in force stands to the one that is written.
#[derive(Serialize, ToSchema)]
struct Configuration<'a> {
    /// Since when it is in force, in seconds since 1970 UTC.
    since: u64,
    /// When the last one was refused, where the one that is written is refused.
    refused_at: Option<u64>,
    /// Why it was.
    errors: Option<&'a str>,
    /// The keys whose changes need a restart.
    waits_for_restart: &'a [String],
}

impl<'a> Configuration<'a> {
    fn of(standing: &'a Standing) -> Self {
        let refused = standing.refused.as_ref();
        Self {
            since: standing.since.as_secs(),
            refused_at: refused.map(|refused| refused.at.as_secs()),
            errors: refused.map(|refused| refused.errors.as_str()),
            waits_for_restart: &standing.waits_for_restart,
        }
    }
}

/// What is told of an app. Times are whole seconds since 1970 UTC; what is not known is `null`.
#[derive(Serialize, ToSchema)]
#[schema(as = App)]
pub(super) struct AppState<'a> {
    /// The app.
    appid: &'a str,
    /// `token` or `stable`.
    mode: &'static str,
    /// How it fares, in a word: `ok`, `due`, `suspect`, `paused`, `starting`, `dead`, `expired`, `refused_by_upstream`, `upstream_away`,
    /// `budget_spent`, `store_away` or `store_unusable`.
    status: &'static str,
    /// Whether a token is handed out.
    servable: bool,
    /// The version that is served.
    version: Option<u64>,
    /// When it stops being served.
    expires_at: Option<u64>,
    /// What is left until then, in seconds.
    expires_in: Option<u64>,
    /// When it was issued, by the store's clock.
    issued_at: Option<u64>,
    /// When its refresh is due, before jitter.
    refresh_at: Option<u64>,
    /// Whether the store or WeChat has lately said that it stands.
    vouched: bool,
    /// Whether the store lacks it.
    pending: bool,
    /// Whether it may die before it expires, and is being replaced.
    suspect: bool,
    /// Whether WeChat refused the newest token that was stored.
    dead: bool,
    /// Whether somebody has paused the app.
    paused: bool,
    /// What keeps a refresh from happening.
    blocked: Option<&'static str>,
    /// For how long it does.
    blocked_until: Option<u64>,
    /// After which refusal no fetch is made.
    cooldown: Option<Cooldown>,
    /// Attempts that failed in a row.
    failures: Option<u32>,
    /// How many fetches would pass right now.
    budget_left: Option<u32>,
    /// How many were made in the last 24 hours.
    budget_used: Option<u32>,
    /// The last fetch that may have issued a token.
    last_fetch: Option<u64>,
    /// Whether a replica holds the right to fetch.
    lease_held: Option<bool>,
    /// Why the store could not be used.
    store_trouble: Option<&'static str>,
    /// The tickets that are kept for it.
    tickets: Vec<TicketState>,
}

/// What is told of a ticket that is kept for an app.
#[derive(Serialize, ToSchema)]
struct TicketState {
    /// Which ticket.
    r#type: &'static str,
    /// How it fares, in a word.
    status: &'static str,
    /// Whether this replica has one to hand out.
    servable: bool,
    /// Its version.
    version: Option<u64>,
    /// When it expires.
    expires_at: Option<u64>,
    /// What is left of its life.
    expires_in: Option<u64>,
    /// When it is to be replaced, before jitter.
    refresh_at: Option<u64>,
    /// Whether it may die before it expires.
    suspect: bool,
    /// What keeps a refresh from happening.
    blocked: Option<&'static str>,
    /// Until when it does.
    blocked_until: Option<u64>,
    /// After which refusal no fetch is made.
    cooldown: Option<Cooldown>,
    /// Attempts that failed in a row.
    failures: Option<u32>,
    /// How many fetches would pass right now.
    budget_left: Option<u32>,
    /// How many were made in the last 24 hours.
    budget_used: Option<u32>,
}

/// After which refusal no fetch is made, and what a person does about it.
#[derive(Serialize, ToSchema)]
struct Cooldown {
    /// The class of the refusal.
    class: &'static str,
    /// Until when.
    until: u64,
    /// What it means.
    meaning: &'static str,
    /// What to do.
    advice: &'static str,
    /// Whether it stays until a person does something.
    needs_a_person: bool,
    /// The IP address that WeChat saw and does not accept, where it is about that and this replica heard it.
    address: Option<String>,
}

impl<'a> AppState<'a> {
    fn of(broker: &'a Broker, id: SlotId) -> Self {
        let credential = broker.reader().credential(id);
        let rules = &broker.reader().subject(id).rules;
        let now = broker.now();
        let app = Overview::of(&broker.view(id), rules, now);
        Self {
            appid: credential.app.as_str(),
            mode: credential.mode.as_str(),
            status: app.status.as_str(),
            servable: app.servable,
            version: app.version.map(|version| version.0),
            expires_at: app.expires_at.as_ref().map(Duration::as_secs),
            expires_in: app.expires_in.as_ref().map(Duration::as_secs),
            issued_at: app.issued_at.map(seconds),
            refresh_at: app.refresh_at.map(seconds),
            vouched: app.vouched,
            pending: app.pending,
            suspect: app.suspect,
            dead: app.dead,
            paused: app.paused,
            blocked: app.blocked.map(|(by, _)| by.as_str()),
            blocked_until: app.blocked.map(|(_, left)| (now.wall + left).as_secs()),
            cooldown: Cooldown::of(&app),
            failures: app.stored.map(|stored| stored.failures),
            budget_left: app.stored.map(|stored| stored.budget_left),
            budget_used: app.stored.map(|stored| stored.budget_used),
            last_fetch: app.stored.and_then(|stored| stored.last_fetch).map(seconds),
            lease_held: app.stored.map(|stored| stored.lease_held),
            store_trouble: app.trouble.map(trouble_word),
            tickets: Kind::TICKETS
                .into_iter()
                .filter_map(|kind| TicketState::of(broker, id, kind))
                .collect(),
        }
    }
}

impl TicketState {
    /// The ticket of this kind, of the app whose access token `app` is, where it is kept.
    fn of(broker: &Broker, app: SlotId, kind: Kind) -> Option<Self> {
        let id = broker.ticket(app, kind)?;
        let now = broker.now();
        let rules = &broker.reader().subject(id).rules;
        let ticket = Overview::of(&broker.view(id), rules, now);
        Some(Self {
            r#type: kind.ticket_type()?,
            status: ticket.status.as_str(),
            servable: ticket.servable,
            version: ticket.version.map(|version| version.0),
            expires_at: ticket.expires_at.as_ref().map(Duration::as_secs),
            expires_in: ticket.expires_in.as_ref().map(Duration::as_secs),
            refresh_at: ticket.refresh_at.map(seconds),
            suspect: ticket.suspect,
            blocked: ticket.blocked.map(|(by, _)| by.as_str()),
            blocked_until: ticket.blocked.map(|(_, left)| (now.wall + left).as_secs()),
            cooldown: Cooldown::of(&ticket),
            failures: ticket.stored.map(|stored| stored.failures),
            budget_left: ticket.stored.map(|stored| stored.budget_left),
            budget_used: ticket.stored.map(|stored| stored.budget_used),
        })
    }
}

impl Cooldown {
    fn of(app: &Overview) -> Option<Self> {
        let (class, until) = app.cooldown?;
        Some(Self {
            class: class.as_str(),
            until: seconds(until),
            meaning: class.meaning(),
            advice: class.advice(),
            needs_a_person: class.needs_a_person(),
            address: app.refused_address().map(str::to_owned),
        })
    }
}

const fn seconds(at: Timestamp) -> u64 {
    at.as_micros() / 1_000_000
}
