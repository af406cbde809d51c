//! The shortcut of the hot path: `GET /token/{appid}` is answered ahead of actix's router.
//!
//! The router tries the patterns of forty routes, makes a request of its own out of each that comes, and hands it on
//! through boxed futures; that costs a token more than all that the broker itself does for it. So the one route that
//! is asked all the time is looked for first, and answered by the same handler within the same layer. Whatever is not
//! written as plainly (another method, an escape in the path) goes by the router, where the route stands as well.

use std::rc::Rc;

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service as _, ServiceFactory, apply_fn_factory};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::Method;
use futures_util::future::{Either, FutureExt as _, TryFutureExt as _};

use super::arrival::Arrival;
use super::connections::WebApp;
use super::layer::{Worker, answer};
use super::route::Route;
use super::token;

/// What stands before the appid.
const FRONT: &str = "/token/";

/// `app`, and ahead of it the shortcut.
pub(super) fn ahead_of<A, S>(
    app: A,
    worker: Rc<Worker>,
) -> impl WebApp<Response = Response<BoxBody>>
where
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
            Service: 'static,
            Future: 'static,
        > + 'static,
{
    apply_fn_factory(app, move |request: Request, app: &S::Service| {
        if request.method() == Method::GET && appid(request.path()).is_some() {
            let arrival = Arrival::Ahead(request);
            let answer = answer(Rc::clone(&worker), Route::Token, arrival, token::read);
            Either::Left(answer.map(|answer| Ok(Response::from(answer))))
        } else {
            Either::Right(app.call(request).map_ok(Response::from))
        }
    })
}

/// The part of a path with the shortcut that its route calls `name`.
pub(super) fn part<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    (name == "appid").then(|| path.strip_prefix(FRONT))?
}

/// What the router would take for the appid, where it has nothing to decode.
fn appid(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(FRONT)?;
    let is_one_part = memchr::memchr2(b'/', b'%', rest.as_bytes()).is_none();
    (is_one_part && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appid_is_one_part_of_a_path_without_escapes() {
        assert_eq!(appid("/token/wx-1"), Some("wx-1"));
        assert_eq!(part("/token/wx-1", "appid"), Some("wx-1"));
        assert_eq!(part("/token/wx-1", "path"), None);
        for other in [
            "/token/",
            "/token",
            "/token/wx-1/",
            "/token/wx-1/events",
            "/token/wx%2D1",
            "//token/wx-1",
            "/Token/wx-1",
            "/tokens/wx-1",
        ] {
            assert_eq!(appid(other), None, "{other}");
        }
    }
}
