//! The API in memory, for targets that make requests: the tests' rig with its apps, callers and one token, and a WeChat
//! that notes what it is asked and answers as it is told to. Made once a thread, since that takes longer than a
//! request.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::dev::Service as _;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::Runtime;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use token_broker::adapters::wechat::{classify_call, errcode_of};
use token_broker::domain::app_id::AppId;
use token_broker::domain::secret::Secret;
use token_broker::ports::{
    Argument, Called, Outgoing, Passed, Passing, Reply, ReplyBody, WeChatCalls, WeChatPassage,
};

use super::rig::{Answer, Rig, answer, service};

/// What WeChat answers where nothing else is said.
pub(crate) const FINE: &[u8] = br#"{"errcode":0,"errmsg":"ok"}"#;

/// What WeChat was asked.
pub(crate) enum Asked {
    Called(Outgoing),
    Passed(Passing),
}

/// Answers one request, with this `reply` of WeChat's to whatever it is asked meanwhile.
pub(crate) fn ask(request: TestRequest, reply: &[u8]) -> (Answer, Vec<Asked>) {
    API.with(|api| {
        api.wechat.begin(reply);
        let answer = api.runtime.block_on((api.serve)(request));
        (answer, api.wechat.asked())
    })
}

thread_local! {
    // Never dropped: a runtime must not be while its thread ends.
    static API: &'static Api = Box::leak(Box::new(Api::start()));
}

struct Api {
    runtime: Runtime,
    serve: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>,
    wechat: NotingWeChat,
}

impl Api {
    fn start() -> Self {
        // Time passes where everybody waits for it, so that no wait takes any.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        let runtime = Runtime::from(runtime.expect("a runtime"));
        let wechat = NotingWeChat::default();
        let service = runtime.block_on(async {
            let rig = Rig::standing();
            let state = rig.serve().api_state_with(wechat.clone());
            // Its write flow ends with it.
            std::mem::forget(rig);
            Rc::new(service(state).await)
        });
        let serve = move |request: TestRequest| {
            let service = Rc::clone(&service);
            async move {
                let response = service.call(request.to_request()).await;
                answer(without_events(response.expect("an answer"))).await
            }
            .boxed_local()
        };
        Self {
            runtime,
            serve: Box::new(serve),
            wechat,
        }
    }
}

/// A stream of events has no end to wait for.
fn without_events(response: Response<BoxBody>) -> Response<BoxBody> {
    let content_type = response.headers().get(CONTENT_TYPE);
    if content_type.is_some_and(|it| it == "text/event-stream") {
        response.set_body(BoxBody::new(()))
    } else {
        response
    }
}

#[derive(Clone, Default)]
struct NotingWeChat(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    reply: Vec<u8>,
    asked: Vec<Asked>,
}

impl NotingWeChat {
    fn begin(&self, reply: &[u8]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.reply = reply.to_vec();
        noted.asked.clear();
    }

    fn asked(&self) -> Vec<Asked> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut noted.asked)
    }

    fn note(&self, asked: Asked) -> Vec<u8> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.asked.push(asked);
        noted.reply.clone()
    }
}

#[async_trait]
impl WeChatCalls for NotingWeChat {
    async fn send(&self, _: Option<&AppId>, call: Outgoing) -> Called {
        let secrets = call
            .query
            .iter()
            .filter_map(|(_, argument)| match argument {
                Argument::Secret(secret) => Some(secret.expose()),
                Argument::Plain(_) | Argument::AppSecret => None,
            });
        let sent = Secret::new(secrets.collect::<Vec<_>>().join("\n"));
        classify_call(200, self.note(Asked::Called(call)), &sent)
    }
}

#[async_trait]
impl WeChatPassage for NotingWeChat {
    async fn pass(&self, _: &AppId, passing: Passing) -> Passed {
        let reply = self.note(Asked::Passed(passing));
        Passed::Answered(Reply {
            errcode: errcode_of(&reply),
            content_type: None,
            content_disposition: None,
            body: ReplyBody::Whole(reply.into()),
        })
    }
}
