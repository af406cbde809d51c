//! A WeChat of which a test decides what it answers.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::scene::{error, held};
use crate::domain::credential::Credential;
use crate::domain::secret::Secret;
use crate::ports::{Checked, Fetched, Upstream};

/// WeChat, which answers what was laid ready for it, and accepts whatever it is asked about otherwise.
#[derive(Default)]
pub(crate) struct WeChat {
    fetched: Mutex<VecDeque<Fetched>>,
    checked: Mutex<VecDeque<Checked>>,
    fetches: Mutex<Vec<bool>>,
    checks: Mutex<usize>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

impl WeChat {
    pub(crate) fn issues(&self, answer: Fetched) {
        held(&self.fetched).push_back(answer);
    }

    pub(crate) fn judges(&self, answers: impl IntoIterator<Item = Checked>) {
        held(&self.checked).extend(answers);
    }

    /// The next check finds the token refused: only a refusal that is repeated counts.
    pub(crate) fn refuses(&self) {
        let refused = || Checked::Refused(error(40001));
        self.judges([refused(), refused()]);
    }

    /// This happens while the next fetch is under way.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        *held(&self.meanwhile) = Some(Box::new(happens));
    }

    /// For each fetch so far: whether it was forced.
    pub(crate) fn fetches(&self) -> Vec<bool> {
        held(&self.fetches).clone()
    }

    pub(crate) fn checks(&self) -> usize {
        *held(&self.checks)
    }

    fn next(&self, force: bool) -> Fetched {
        held(&self.fetches).push(force);
        if let Some(happens) = held(&self.meanwhile).take() {
            happens();
        }
        let ready = held(&self.fetched).pop_front();
        ready.unwrap_or_else(|| panic!("nothing is laid ready for a fetch"))
    }
}

#[async_trait]
impl Upstream for WeChat {
    async fn fetch(&self, _: &Credential, force: bool) -> Fetched {
        self.next(force)
    }

    async fn fetch_ticket(&self, _: &Credential, _: &Secret) -> Fetched {
        self.next(false)
    }

    async fn check(&self, _: &Credential, _: &Secret) -> Checked {
        *held(&self.checks) += 1;
        let ready = held(&self.checked).pop_front();
        ready.unwrap_or(Checked::Accepted)
    }
}
