//! The safeguards of the protocol, each of which can be taken out to see what it is there for.

/// Which safeguard is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Sabotage {
    /// None: the protocol as it is.
    #[default]
    None,
    /// A commit is taken under whatever epoch.
    Epoch,
    /// The nonce is not compared.
    Nonce,
    /// No intent is written.
    Intent,
    /// `begin` does not look whether somebody else has refreshed already.
    SecondLook,
    /// Somebody else's lease is not respected.
    Lease,
    /// A replica goes back to a version below its floor.
    Floor,
    /// Nothing makes a grant suspect.
    Suspect,
    /// Any commit clears a suspect, also one under the very epoch.
    ClearedEarly,
    /// Checks never come more often than every `watch`.
    CloseWatch,
    /// A grant is put back without asking upstream.
    PutBackCheck,
    /// `begin` is told nothing of what the replica remembers.
    Memory,
    /// The time since the last fetch is not looked at.
    Spacing,
    /// Second look and spacing, both.
    LookAndSpacing,
    /// What is left of the lease is not looked at before sending.
    Validity,
    /// A grant whose commit did not arrive is dropped.
    Pending,
    /// A replica that is cut off from the store does not ask upstream.
    CutOffCheck,
    /// A replica that slept answers before it has heard anything.
    Vouching,
    /// A repair does not ask upstream first.
    Probe,
    /// An epoch is one more than the stored one, whatever the time.
    EpochFromTime,
}
