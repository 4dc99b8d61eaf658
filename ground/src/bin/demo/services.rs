//! A service over pods of both nodes, and a policy that guards some of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use ground::greeter::{Greeter, Greeting, ask};
use ground::network::{Network, Pod};

use crate::print::{self, command, done, heading, output};

/// The services and policies, as a script for people to read.
const SCRIPT: &str = include_str!("../../../../examples/services.sh");

/// The pods behind the service, and their port.
const BACKENDS: [&str; 3] = ["blue-2", "green-1", "green-2"];
const BACKEND_PORT: u16 = 8080;
/// The service.
const SERVICES: [&str; 2] = ["10.96.0.80:80", "[fd00:96::80]:80"];
/// Connections that a client makes to each address of the service.
const CONNECTIONS: usize = 60;
/// How long a client waits.
const PATIENCE: Duration = Duration::from_millis(1000);
/// Columns of the longest bar.
const BAR: usize = 30;

/// Builds the services and shows what they do. Returns how much of it was not as it should be.
pub(crate) fn show(network: &Network, pods: &[Pod]) -> Result<usize> {
    heading("A service and a policy: examples/services.sh");
    let _backends = BACKENDS
        .iter()
        .map(|name| {
            let pod = pod(pods, name)?;
            let addresses = [pod.v4()?, pod.v6()?];
            Greeter::start(&pod.namespace, name, &addresses, BACKEND_PORT)
        })
        .collect::<Result<Vec<_>>>()?;
    network.script(SCRIPT)?;
    network.sync()?;
    command("vsctl lb-list");
    output(&network.vsctl(&["lb-list"])?);
    command("vsctl acl-list guarded");
    output(&network.vsctl(&["acl-list", "guarded"])?);
    Ok(show_distribution(pods)? + show_policy(pods)?)
}

/// One client asks the service again and again: every backend has its share.
fn show_distribution(pods: &[Pod]) -> Result<usize> {
    let client = pod(pods, "blue-1")?;
    println!(
        "\n    {CONNECTIONS} connections of blue-1 to {} and as many to {}\n",
        SERVICES[0], SERVICES[1]
    );
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for service in SERVICES {
        let to: SocketAddr = service.parse().context("a service's address")?;
        for _ in 0..CONNECTIONS {
            let heard = match ask(&client.namespace, to, PATIENCE)? {
                Greeting::From(name) => name,
                Greeting::Refused => "refused".to_owned(),
                Greeting::Silence => "silence".to_owned(),
            };
            *shares.entry(heard).or_default() += 1;
        }
    }
    let most = shares.values().copied().max().unwrap_or(1);
    for (name, share) in &shares {
        println!(
            "    {name:<9} {share:>4}  {}",
            print::good(&"█".repeat(share * BAR / most))
        );
    }
    let is_fair = shares.keys().map(String::as_str).eq(BACKENDS);
    if is_fair {
        done("blue-1 sees one address; pods on both nodes answer");
    }
    Ok(usize::from(!is_fair))
}

/// Who may ask the guarded pods for what.
fn show_policy(pods: &[Pod]) -> Result<usize> {
    println!();
    let guarded = pod(pods, "green-1")?;
    let to = |ip: IpAddr, port| SocketAddr::new(ip, port);
    let cases = [
        (
            "blue-1",
            guarded.v4()?,
            BACKEND_PORT,
            Greeting::From("green-1".to_owned()),
        ),
        (
            "blue-1",
            guarded.v6()?,
            BACKEND_PORT,
            Greeting::From("green-1".to_owned()),
        ),
        ("blue-2", guarded.v4()?, BACKEND_PORT, Greeting::Silence),
        ("blue-2", guarded.v6()?, BACKEND_PORT, Greeting::Silence),
        ("blue-2", guarded.v4()?, 22, Greeting::Refused),
    ];
    let mut surprises = 0;
    for (from, ip, port, expected) in cases {
        let heard = ask(&pod(pods, from)?.namespace, to(ip, port), PATIENCE)?;
        let text = match &heard {
            Greeting::From(name) => format!("answered by {name}"),
            Greeting::Refused => "refused at once: the ACL no-ssh rejects".to_owned(),
            Greeting::Silence => "silence: the ACL default-deny drops".to_owned(),
        };
        let is_expected = heard == expected;
        surprises += usize::from(!is_expected);
        let text = if is_expected {
            print::good(&text)
        } else {
            print::bad(&text)
        };
        println!("    {from} → {:<22} {text}", to(ip, port).to_string());
    }
    println!();
    if surprises == 0 {
        done("green-1 is reached by the trusted client only, and by nobody on port 22");
    }
    Ok(surprises)
}

fn pod<'a>(pods: &'a [Pod], name: &str) -> Result<&'a Pod> {
    pods.iter()
        .find(|pod| pod.port == name)
        .with_context(|| format!("there is no pod {name}"))
}
