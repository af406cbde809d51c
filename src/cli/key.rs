//! `key new`: a key for a caller. It is shown this once; the configuration gets its hash.

use super::failure::Failure;
use super::output::{print, remark};
use crate::domain::caller::CallerId;
use crate::key::NewKey;

pub(super) fn new(id: &CallerId) -> Result<(), Failure> {
    let NewKey { key, hash } = NewKey::generate(id).map_err(Failure::Randomness)?;
    let key = key.expose();
    print(&format!(
        "{key}\nsha256:{hash}\n\n\
         [[callers]]\n\
         id = \"{id}\"\n\
         keys = [\"sha256:{hash}\"]\n\
         allow = [{{ appids = [\"*\"], verbs = [\"read\"] }}]\n"
    ))?;
    remark(
        "The first line is the key. It is shown only now: give it to the caller. The rest is public.",
    );
    Ok(())
}
