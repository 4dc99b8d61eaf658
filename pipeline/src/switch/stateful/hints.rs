//! What ACLs may do about a packet, by what it is to its connections (OVN's `ls_in_acl_hint`).

use crate::conntrack::{Mark, State, Tracked};
use crate::object::{Acl, AclAction};

/// What becomes of a packet before any ACL is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It answers a connection that nothing blocks, and passes.
    Reply,
    /// It is an ICMP error about such a connection, and passes.
    Related,
    /// It cannot belong to any connection.
    Invalid,
    /// It answers a connection that is blocked.
    Blocked,
}

/// What connections say of a packet; `None` if they leave it to the ACLs.
pub(super) fn settle(tracked: &Tracked) -> Option<Settled> {
    let state = tracked.state;
    let is_blocked = tracked.mark.contains(Mark::BLOCKED);
    if state.contains(State::INVALID) {
        return Some(Settled::Invalid);
    }
    if state.contains(State::ESTABLISHED | State::REPLY) && !state.contains(State::NEW) {
        return match (is_blocked, state.contains(State::RELATED)) {
            (true, _) => Some(Settled::Blocked),
            (false, false) => Some(Settled::Reply),
            (false, true) => None,
        };
    }
    let is_related = state.contains(State::RELATED)
        && !state.intersects(State::NEW | State::ESTABLISHED)
        && !is_blocked;
    is_related.then_some(Settled::Related)
}

/// What ACLs may do, and what else has to happen then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// Rules that allow count.
    pub(super) may_allow: bool,
    /// What is allowed begins a connection, or unblocks it.
    pub(super) keeps: bool,
    /// What is dropped belongs to a connection, which is blocked from then on.
    pub(super) blocks: bool,
}

impl Hints {
    /// Where no connections are kept.
    pub(super) const STATELESS: Hints = Hints {
        may_allow: true,
        keeps: false,
        blocks: false,
    };

    pub(super) fn of(tracked: &Tracked) -> Hints {
        let state = tracked.state;
        let is_established = state.contains(State::ESTABLISHED);
        let is_blocked = tracked.mark.contains(Mark::BLOCKED);
        let is_forward = is_established && !state.intersects(State::NEW | State::REPLY);
        let is_new = state.contains(State::NEW) && !is_established;
        Hints {
            may_allow: is_new || is_forward || !state.contains(State::TRACKED),
            keeps: is_new || is_forward && is_blocked,
            blocks: is_established && !is_blocked,
        }
    }

    /// Whether a rule is one that counts.
    pub(super) fn admit(self, acl: &Acl) -> bool {
        match acl.action {
            AclAction::Allow | AclAction::AllowRelated => self.may_allow,
            AclAction::AllowStateless | AclAction::Drop | AclAction::Reject | AclAction::Pass => {
                true
            }
        }
    }

    /// The first bit of the register that OVN has these hints in, for a rule that does this.
    pub(super) fn word(self, action: AclAction) -> Option<&'static str> {
        match action {
            AclAction::Allow | AclAction::AllowRelated if self.keeps => Some("reg0[7] == 1"),
            AclAction::Allow | AclAction::AllowRelated => Some("reg0[8] == 1"),
            AclAction::Drop | AclAction::Reject if self.blocks => Some("reg0[10] == 1"),
            AclAction::Drop | AclAction::Reject => Some("reg0[9] == 1"),
            AclAction::AllowStateless | AclAction::Pass => None,
        }
    }
}
