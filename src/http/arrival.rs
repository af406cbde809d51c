//! A request as it arrives at its handler: by actix's router, or ahead of it ([`shortcut`]).

use std::cell::Cell;

use actix_http::Request;
use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::web::Payload;

use super::shortcut;

/// How a request arrived.
pub(super) enum Arrival {
    /// By the router, which has taken its path apart; with its body.
    Routed(HttpRequest, Cell<Option<Payload>>),
    /// Ahead of the router, at the one route that has a shortcut. Nobody reads its body.
    Ahead(Request),
}

impl Arrival {
    pub(super) const fn routed(request: HttpRequest, payload: Payload) -> Self {
        Self::Routed(request, Cell::new(Some(payload)))
    }

    pub(super) fn head(&self) -> &RequestHead {
        match self {
            Self::Routed(request, _) => request.head(),
            Self::Ahead(request) => request.head(),
        }
    }

    /// What is known of the connection that it came by.
    pub(super) fn of_connection<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Routed(request, _) => request.conn_data(),
            Self::Ahead(request) => request.conn_data(),
        }
    }

    /// The part of the path that its route calls so.
    pub(super) fn part(&self, name: &str) -> Option<&str> {
        match self {
            Self::Routed(request, _) => request.match_info().get(name),
            Self::Ahead(request) => shortcut::part(request.path(), name),
        }
    }

    /// The body, unread; `None` once it was taken.
    pub(super) fn payload(&self) -> Option<Payload> {
        match self {
            Self::Routed(_, payload) => payload.take(),
            Self::Ahead(_) => None,
        }
    }
}
