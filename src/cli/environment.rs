//! The variables of the process, read once at its start.

/// Names and values.
#[derive(Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// The environment of this process. Bytes that are no UTF-8 become replacement characters, which the
    /// configuration refuses where they matter.
    #[must_use]
    pub fn of_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let pairs = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        Self(pairs.collect())
    }

    /// Each variable.
    pub fn iter(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().cloned()
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}
