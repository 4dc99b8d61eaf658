//! The interface of an attachment, as the agent wants it: opened, configured, deleted.

use nix::errno::Errno;

use super::InterfacePlan;
use super::link::{self, LinkError, errno};
use super::netns::{Netns, NetnsError};
use crate::agent::{Attachment, OpenMode, Refusal, RefusalKind};
use crate::port::{Port, Taps};
use crate::sys::tap::TapError;

/// Opens the interface of an attachment: one port for each of `workers`.
pub fn open(
    attachment: &Attachment,
    mode: OpenMode,
    taps: Taps,
    workers: usize,
) -> Result<Vec<Box<dyn Port>>, Refusal> {
    let Attachment {
        netns, interface, ..
    } = attachment;
    let netns = Netns::open(netns)?;
    let exists = match mode {
        OpenMode::CreateOrAdopt => false,
        OpenMode::Create | OpenMode::Adopt => link::exists(&netns, interface)?,
    };
    match mode {
        OpenMode::Create if exists => {
            let message = format!(
                "interface {interface} exists already in {} (--may-exist takes it over)",
                attachment.netns
            );
            return Err(Refusal::new(RefusalKind::Exists, message));
        }
        OpenMode::Adopt if !exists => {
            let message = format!("interface {interface} is gone from {}", attachment.netns);
            return Err(Refusal::new(RefusalKind::NotFound, message));
        }
        _ => {}
    }
    Ok(taps.open(Some(netns.as_fd()), interface, workers)?)
}

/// Makes the interface of an attachment what `plan` says, and up.
pub fn configure(attachment: &Attachment, plan: &InterfacePlan) -> Result<(), Refusal> {
    let netns = Netns::open(&attachment.netns)?;
    let before = attachment.configured.as_ref();
    Ok(link::configure(
        &netns,
        &attachment.interface,
        before,
        plan,
    )?)
}

/// Deletes the interface of an attachment; one that is gone is no error.
pub fn delete(attachment: &Attachment) -> Result<(), Refusal> {
    let netns = match Netns::open(&attachment.netns) {
        Err(NetnsError::Missing(_)) => return Ok(()),
        opened => opened?,
    };
    Ok(link::delete(&netns, &attachment.interface)?)
}

impl From<NetnsError> for Refusal {
    fn from(error: NetnsError) -> Self {
        let kind = match error {
            NetnsError::Missing(_) => RefusalKind::NotFound,
            NetnsError::NotPermitted(_) => RefusalKind::NotPermitted,
            NetnsError::OtherKind(_) => RefusalKind::Invalid,
            NetnsError::Failed { .. } => RefusalKind::Refused,
        };
        Refusal::new(kind, error.to_string())
    }
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Netns(error) => error.into(),
            LinkError::Missing(_) => Refusal::new(RefusalKind::NotFound, error.to_string()),
            LinkError::Failed { ref source, .. } if errno(source) == Some(Errno::EPERM) => {
                let message = format!("{error}: it takes CAP_NET_ADMIN in the network namespace");
                Refusal::new(RefusalKind::NotPermitted, message)
            }
            LinkError::Failed { .. } => Refusal::new(RefusalKind::Refused, error.to_string()),
        }
    }
}

impl From<TapError> for Refusal {
    fn from(error: TapError) -> Self {
        let kind = match error {
            TapError::BadName(_) => RefusalKind::Invalid,
            TapError::NoCloneDevice => RefusalKind::NotFound,
            TapError::NotPermitted | TapError::NoCapability(_) => RefusalKind::NotPermitted,
            TapError::Busy(_) | TapError::OtherKind(_) => RefusalKind::Exists,
            _ => RefusalKind::Refused,
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Refusal::new(kind, message)
    }
}
