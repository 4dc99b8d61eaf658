//! `Load_Balancer` → `Balancer`, its `Vip`s, and the `Probe`s of their backends.
//!
//! Of a template, each node with variables gets its own VIPs; those without a variable are everyone's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::lb::{self, EmptyPolicy, HealthCheck, LoadBalancer, OPTIONS, Options as Settings};
use model::nb;
use pipeline::object::{
    Balancer, ChassisName, NeighborResponder, Object, SelectionField, TrafficPolicy, Vip, VipKey,
    WhenEmpty,
};
use uuid::Uuid;

use super::backend::Backends;
use super::index::Lookup;
use super::options::Options;
use super::reader::CONTROLLER_EVENT;
use super::{Output, Reader};

/// What variables begin with.
const VARIABLE: char = '^';

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(row) = reader.row::<nb::LoadBalancer>(row) else {
        return;
    };
    out.name(&row.name);
    let known: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    Options::new("options", &row.options, &known, out);
    let (plain, template) = split(row);
    let Some(balancer) = parsed(&lb::expand(&plain, &BTreeMap::new()), None, out) else {
        return;
    };
    let checks = health_checks(reader, &plain);
    let mut object = balancer_object(&plain, &balancer);
    object.event |= reader.global_flag(CONTROLLER_EVENT);
    out.object(Object::Balancer(object));
    vips(reader, &plain, &balancer, &checks, None, out);
    for (chassis, variables) in variables(reader, &template) {
        let expanded = lb::expand(&template, &variables);
        if let Some(balancer) = parsed(&expanded, Some(&chassis), out) {
            vips(reader, &template, &balancer, &checks, Some(chassis), out);
        }
    }
}

/// The row with those of its VIPs that are the same everywhere, and with the others.
fn split(row: nb::LoadBalancer) -> (nb::LoadBalancer, nb::LoadBalancer) {
    let is_template = row
        .options
        .get("template")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let has_variable = |(key, value): &(&String, &String)| {
        is_template && (key.contains(VARIABLE) || value.contains(VARIABLE))
    };
    let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
    let all = || row.vips.iter();
    let template = all().filter(has_variable).map(owned).collect();
    let plain = all()
        .filter(|pair| !has_variable(pair))
        .map(owned)
        .collect();
    let template = nb::LoadBalancer {
        vips: template,
        ..row.clone()
    };
    (nb::LoadBalancer { vips: plain, ..row }, template)
}

/// The nodes that have variables, with these, if there is a template to fill in.
fn variables(
    reader: &mut Reader<'_>,
    template: &nb::LoadBalancer,
) -> Vec<(ChassisName, BTreeMap<String, String>)> {
    if template.vips.is_empty() {
        return Vec::new();
    }
    let rows = reader.lookup(Lookup::AllTemplateVariables).into_iter();
    let rows = rows.filter_map(|row| {
        let chassis: String = reader.column::<nb::ChassisTemplateVar, _>(row, "chassis")?;
        Some((chassis.into(), reader.variables(row)?))
    });
    rows.collect()
}

fn parsed(row: &nb::LoadBalancer, chassis: Option<&str>, out: &mut Output) -> Option<LoadBalancer> {
    match LoadBalancer::parse(row) {
        Ok(balancer) => Some(balancer),
        Err(fault) => {
            let message = match chassis {
                None => fault.message,
                Some(chassis) => format!("with the variables of {chassis}: {}", fault.message),
            };
            out.warn(fault.column, message);
            None
        }
    }
}

/// The health checks that say something. What they do not say is their own rows' matter.
fn health_checks(reader: &mut Reader<'_>, row: &nb::LoadBalancer) -> Vec<HealthCheck> {
    let rows = row.health_check.iter();
    let rows = rows.filter_map(|id| reader.row::<nb::LoadBalancerHealthCheck>(id.uuid()));
    rows.filter_map(|check| HealthCheck::parse(&check).ok())
        .collect()
}

fn vips(
    reader: &mut Reader<'_>,
    row: &nb::LoadBalancer,
    balancer: &LoadBalancer,
    checks: &[HealthCheck],
    chassis: Option<ChassisName>,
    out: &mut Output,
) {
    let mut backends = Backends {
        reader,
        balancer,
        out,
    };
    for vip in &balancer.vips {
        let mut checks = checks.iter();
        let check = checks.find(|check| check.vip == Some(vip.endpoint));
        let port = vip.endpoint.port.map_or(0, |port| port.get());
        let object = Vip {
            key: VipKey {
                balancer: row.id.uuid(),
                ip: vip.endpoint.ip,
                protocol: vip.endpoint.port.map_or(0, |_| protocol(balancer.protocol)),
                port,
                chassis: chassis.clone(),
            },
            backends: backends.of(vip, check),
        };
        backends.out.object(Object::Vip(object));
    }
}

fn balancer_object(row: &nb::LoadBalancer, balancer: &LoadBalancer) -> Balancer {
    let options = &balancer.options;
    let fields = balancer.selection_fields.iter().copied();
    Balancer {
        uuid: row.id.uuid(),
        name: row.name.clone(),
        when_empty: when_empty(options.empty),
        when_none_local: when_empty(options.empty_local),
        event: options.empty == EmptyPolicy::Event,
        ct_flush: options.flushes,
        skip_snat: options.skips_snat,
        hairpin_snat_ip: hairpin_sources(options),
        affinity_timeout_s: options
            .affinity_timeout_s
            .map_or(0, |timeout| timeout.get()),
        selection_fields: fields.map(selection_field).collect(),
        neighbor_responder: match options.neighbor_responder {
            lb::NeighborResponder::None => NeighborResponder::None,
            lb::NeighborResponder::Reachable => NeighborResponder::Reachable,
            lb::NeighborResponder::All => NeighborResponder::All,
        },
        add_route: options.adds_route,
        source_ranges: options.source_ranges.clone(),
        traffic_policy: match options.traffic_policy {
            lb::TrafficPolicy::Cluster => TrafficPolicy::Cluster,
            lb::TrafficPolicy::Local => TrafficPolicy::Local,
            lb::TrafficPolicy::PreferLocal => TrafficPolicy::PreferLocal,
            lb::TrafficPolicy::PreferZone => TrafficPolicy::PreferZone,
        },
    }
}

fn when_empty(policy: EmptyPolicy) -> WhenEmpty {
    match policy {
        EmptyPolicy::Drop | EmptyPolicy::Event => WhenEmpty::Drop,
        EmptyPolicy::Reject => WhenEmpty::Reject,
    }
}

fn hairpin_sources(options: &Settings) -> Vec<IpAddr> {
    let source = options.hairpin_source;
    let ipv4 = source.ipv4.map(IpAddr::from);
    ipv4.into_iter()
        .chain(source.ipv6.map(IpAddr::from))
        .collect()
}

fn selection_field(field: lb::SelectionField) -> SelectionField {
    match field {
        lb::SelectionField::EthSrc => SelectionField::EthSrc,
        lb::SelectionField::EthDst => SelectionField::EthDst,
        lb::SelectionField::IpSrc => SelectionField::IpSrc,
        lb::SelectionField::IpDst => SelectionField::IpDst,
        lb::SelectionField::TpSrc => SelectionField::TransportSrc,
        lb::SelectionField::TpDst => SelectionField::TransportDst,
    }
}

/// The number of a protocol in IP headers.
pub(super) fn protocol(protocol: lb::Protocol) -> u8 {
    match protocol {
        lb::Protocol::Tcp => 6,
        lb::Protocol::Udp => 17,
        lb::Protocol::Sctp => 132,
    }
}
