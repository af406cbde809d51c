//! `POST /token/{appid}/refresh`: a new token, within pace and budget.

use actix_web::HttpResponse;

use super::call::Call;
use super::problem::Problem;
use super::token::json;
use crate::domain::caller::Verb;

/// Has a new token fetched and answers with it.
pub(super) async fn refresh(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Refresh)?;
    let broker = call.broker();
    let app = broker.app(id);
    let refreshed = broker.refresh(id).await;
    let served = refreshed.map_err(|refusal| Problem::not_refreshed(refusal, app))?;
    call.count_served(&served);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(json(app, &served, None)))
}
