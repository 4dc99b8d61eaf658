//! A node in memory: the data path with wires instead of devices, fed by a northd in memory.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ground::process::wait_until;
use pipeline::Tables;
use pipeline::object::{Object, ObjectKey};
use tests::scenario::Side;
use vswitch::datapath::{DataPath, DataPathConfig};
use vswitch::port::{MemoryPort, Port, Wire};

use super::northd::{NODE, Northd};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames that a wire holds.
const WIRE: usize = 256;

/// A node and its northd.
pub(crate) struct Weft {
    northd: Northd,
    path: DataPath,
    tables: Tables,
    /// The versions of the objects in the tables.
    versions: BTreeMap<ObjectKey, u64>,
    wires: BTreeMap<String, Wire>,
    sent: u64,
    /// The far end of the tunnel, which nothing should enter.
    _tunnel: Wire,
}

impl Weft {
    pub(crate) fn start() -> Result<Self> {
        let (tunnel, far_end) = MemoryPort::new(WIRE)?;
        let config = DataPathConfig {
            workers: 1,
            encap_ip: Ipv4Addr::LOCALHOST.into(),
            encap_port: 6081,
            underlay_mtu: 1500,
            max_connections: 4096,
            tracking: Default::default(),
            fruitless_per_s: u32::MAX,
            polling: vswitch::worker::Polling::default(),
            processors: Vec::new(),
        };
        Ok(Self {
            northd: Northd::start()?,
            path: DataPath::start_over(&config, vec![Box::new(tunnel)])?,
            tables: Tables::new(Some(NODE.into())),
            versions: BTreeMap::new(),
            wires: BTreeMap::new(),
            sent: 0,
            _tunnel: far_end,
        })
    }

    /// Has the data path forward by what northd says now.
    fn sync(&mut self) -> Result<()> {
        let objects = self.northd.objects()?;
        let gone = self
            .versions
            .keys()
            .filter(|key| !objects.contains_key(*key));
        let gone: Vec<ObjectKey> = gone.cloned().collect();
        let is_new = |key: &ObjectKey, version: u64| self.versions.get(key) != Some(&version);
        let changed = objects
            .iter()
            .filter(|(key, (version, _))| is_new(key, *version));
        let changed: Vec<Object> = changed.map(|(_, (_, object))| object.clone()).collect();
        self.tables = self.tables.apply(changed, gone)?;
        let versions = objects
            .into_iter()
            .map(|(key, (version, _))| (key, version));
        self.versions = versions.collect();
        let revision = self.path.publish(Arc::new(self.tables.clone()));
        Ok(self.path.wait_adopted(revision, PATIENCE)?)
    }
}

impl Side for Weft {
    fn plug(&mut self, ports: &[String]) -> Result<()> {
        for port in ports {
            self.northd.claim(port)?;
        }
        self.sync()?;
        for name in ports {
            let port = self.tables.port_named(name);
            let at = port.with_context(|| format!("there is no port {name}"))?.at;
            let (device, wire) = MemoryPort::new(WIRE)?;
            let ends: Vec<Box<dyn Port>> = vec![Box::new(device)];
            let revision = self.path.add_port(at, ends)?;
            self.path.wait_adopted(revision, PATIENCE)?;
            self.wires.insert(name.clone(), wire);
        }
        Ok(())
    }

    fn command(&mut self, lines: &[Vec<String>]) -> Result<()> {
        self.northd.command(&lines.join(&"--".to_owned()))?;
        self.sync()
    }

    fn send(
        &mut self,
        port: &str,
        frame: &[u8],
        _expected: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let wire = self
            .wires
            .get(port)
            .with_context(|| format!("{port} is not plugged"))?;
        if !wire.send(frame, None) {
            bail!("{port} takes no frame");
        }
        self.sent += 1;
        wait_until("the data path", PATIENCE, || {
            let stats = self.path.stats();
            (stats.totals.received == self.sent && stats.adds_up()).then_some(())
        })?;
        let out = self.wires.iter().flat_map(|(name, wire)| {
            let frames = std::iter::from_fn(|| wire.receive());
            frames.map(|(frame, _)| (name.clone(), frame))
        });
        Ok(out.collect())
    }
}
