//! `attach` and `detach`: interfaces of pods on this node.

use std::time::Duration;

use southbound_proto::node::{AttachReply, AttachRequest, DetachRequest};

use super::client::ask;
use crate::command::Call;
use crate::failure::Failure;
use crate::options::Settings;

pub(super) fn attach(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let required = |option: &str| {
        let value = call.option(option).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::usage(format!("attach: {option} is needed")))
    };
    let request = AttachRequest {
        port: call.argument(0).to_owned(),
        netns: own_namespace_named(required("--netns")?),
        interface: required("--ifname")?.to_owned(),
        bare: call.has("--bare"),
        timeout_ms: timeout_ms(settings, call)?,
        may_exist: call.has("--may-exist"),
    };
    let reply = ask(settings, async |mut node| node.attach(request).await)?;
    Ok(describe(&reply))
}

pub(super) fn detach(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let request = DetachRequest {
        port: call.argument(0).to_owned(),
        if_exists: call.has("--if-exists"),
    };
    ask(settings, async |mut node| node.detach(request).await)?;
    Ok(String::new())
}

/// What the interface was made to be, one thing a line.
fn describe(reply: &AttachReply) -> String {
    let AttachReply {
        mac,
        addresses,
        mtu,
    } = reply;
    let mut text = String::new();
    if !mac.is_empty() {
        text.push_str(&format!("mac {mac}\n"));
    }
    for address in addresses {
        text.push_str(&format!("address {address}\n"));
    }
    text.push_str(&format!("mtu {mtu}\n"));
    text
}

/// The time after which the vswitch gives up, in milliseconds; 0 for none.
fn timeout_ms(settings: &Settings, call: &Call) -> Result<u32, Failure> {
    let Some(text) = call.option("--timeout") else {
        return Ok(settings.timeout_secs.unwrap_or(0).saturating_mul(1000));
    };
    let bad = || {
        Failure::usage(format!(
            "attach: --timeout {text}: expected seconds, such as 5"
        ))
    };
    let secs: f64 = text.parse().map_err(|_| bad())?;
    let timeout = Duration::try_from_secs_f64(secs).map_err(|_| bad())?;
    u32::try_from(timeout.as_millis()).map_err(|_| bad())
}

/// The vswitch's own `/proc/self` is not the caller's: the caller is named by its number.
fn own_namespace_named(netns: &str) -> String {
    let own = |rest: &str| format!("/proc/{}/{rest}", std::process::id());
    ["/proc/self/", "/proc/thread-self/"]
        .iter()
        .find_map(|prefix| netns.strip_prefix(prefix))
        .map_or_else(|| netns.to_owned(), own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_described_a_line_a_thing() {
        let reply = AttachReply {
            mac: "0a:58:0a:00:00:05".into(),
            addresses: vec!["10.0.0.5/24".into(), "fd00::5/64".into()],
            mtu: 1442,
        };
        let expected = "mac 0a:58:0a:00:00:05\naddress 10.0.0.5/24\naddress fd00::5/64\nmtu 1442\n";
        assert_eq!(describe(&reply), expected);
    }

    #[test]
    fn a_namespace_that_means_the_caller_is_named_by_its_number() {
        let own = format!("/proc/{}/ns/net", std::process::id());
        assert_eq!(own_namespace_named("/proc/self/ns/net"), own);
        assert_eq!(own_namespace_named("/proc/thread-self/ns/net"), own);
        assert_eq!(own_namespace_named("/proc/7/ns/net"), "/proc/7/ns/net");
        assert_eq!(own_namespace_named("pod1"), "pod1");
    }
}
