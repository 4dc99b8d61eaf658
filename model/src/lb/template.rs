//! Load balancers whose addresses are variables, `^NAME`, with a value for each node.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::options::{bad, flag, word};
use super::{LoadBalancer, fault};
use crate::endpoint::Endpoint;
use crate::fault::RowFault;
use crate::nb;

/// What variables begin with.
const MARK: char = '^';

/// Whether the row is a template.
pub(super) fn is_template(row: &nb::LoadBalancer) -> bool {
    matches!(flag(&row.options, "template"), Ok(true))
}

/// Refuses what no variables could make right: the form of addresses, and all that has no variables.
pub(super) fn check(row: &nb::LoadBalancer) -> Result<(), RowFault> {
    const FAMILIES: &[(&str, bool)] = &[("ipv4", true), ("ipv6", false)];
    word(&row.options, "address-family", FAMILIES)?;
    if row.options.get("neighbor_responder").map(String::as_str) == Some("reachable") {
        let message = "templates do not know \"reachable\"";
        return Err(bad("neighbor_responder", message));
    }
    for (key, value) in &row.vips {
        let parts: Vec<&str> = key.split(':').collect();
        let is_variable = key.starts_with(MARK) && parts.len() <= 2 && parts.iter().all(is_part);
        if !is_variable && key.parse::<Endpoint>().is_err() {
            let message = format!(
                "{key:?} is neither an address nor of the form ^VARIABLE[:^PORT_VARIABLE|:PORT]"
            );
            return Err(fault(message));
        }
        if let Some(text) = super::items(value).find(|text| !is_backend(text)) {
            let message = format!(
                "{text:?} is neither an address nor of the form ^VARIABLE[:^PORT_VARIABLE|:PORT]"
            );
            return Err(fault(message));
        }
    }
    let plain = nb::LoadBalancer {
        vips: BTreeMap::new(),
        options: without_variables(&row.options),
        ..row.clone()
    };
    LoadBalancer::parse(&plain).map(drop)
}

fn is_backend(text: &&str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    (text.starts_with(MARK) && parts.len() <= 2 && parts.iter().all(is_part))
        || text.parse::<Endpoint>().is_ok()
}

/// A variable or a port.
fn is_part(part: &&str) -> bool {
    match part.strip_prefix(MARK) {
        Some(name) => !name.is_empty() && name.chars().all(is_name),
        None => part.parse::<u16>().is_ok(),
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

fn without_variables(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let options = options.iter();
    let plain = options.filter(|(_, value)| !value.contains(MARK));
    plain
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The row as a node sees it that has these variables. A row that is no template is as it was.
///
/// Virtual addresses and backends with a variable that the node does not have are left out. A variable that
/// stands alone as a backend may be a list of backends.
pub fn expand(row: &nb::LoadBalancer, variables: &BTreeMap<String, String>) -> nb::LoadBalancer {
    if !is_template(row) {
        return row.clone();
    }
    let vips = row.vips.iter().filter_map(|(key, value)| {
        let key = expand_endpoint(key, variables)?.into_owned();
        let backends: Vec<Cow<'_, str>> = super::items(value)
            .filter_map(|text| expand_endpoint(text, variables))
            .collect();
        Some((key, backends.join(",")))
    });
    let options = row.options.iter().map(|(key, value)| {
        let items: Vec<String> = super::items(value)
            .filter_map(|item| expand_item(item, variables))
            .collect();
        (key.clone(), items.join(","))
    });
    nb::LoadBalancer {
        vips: vips.collect(),
        options: options.collect(),
        ..row.clone()
    }
}

/// `BACKEND` or `BACKEND=VALUE` in an option.
fn expand_item(item: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    match item.split_once('=') {
        Some((backend, value)) => {
            let backend = expand_endpoint(backend, variables)?;
            Some(format!("{backend}={}", expand_part(value, variables)?))
        }
        None => expand_endpoint(item, variables).map(Cow::into_owned),
    }
}

/// An endpoint whose address, port or both are variables. IPv6 addresses get the brackets that go with a port.
fn expand_endpoint<'a>(
    text: &'a str,
    variables: &'a BTreeMap<String, String>,
) -> Option<Cow<'a, str>> {
    if !text.starts_with(MARK) {
        return Some(Cow::Borrowed(text));
    }
    let Some((ip, port)) = text.split_once(':') else {
        return expand_part(text, variables).map(Cow::Borrowed);
    };
    let ip = expand_part(ip, variables)?;
    let port = expand_part(port, variables)?;
    Some(Cow::Owned(match ip.parse::<Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]:{port}"),
        Err(_) => format!("{ip}:{port}"),
    }))
}

fn expand_part<'a>(text: &'a str, variables: &'a BTreeMap<String, String>) -> Option<&'a str> {
    match text.strip_prefix(MARK) {
        Some(name) => variables.get(name).map(|value| value.trim()),
        None => Some(text),
    }
}
