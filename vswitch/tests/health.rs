//! What a whole vswitch says of itself. Input: a worker that dies. Output: nobody is told that all is well.

mod common;

use std::time::Duration;

use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vswitch::Vswitch;
use vswitch::config::{Config, LogFormat};
use vswitch::health::Unhealthy;
use vswitch::port::{Io, MemoryPort, TapBackend};

const OFTEN: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(10);

fn config(directory: &std::path::Path) -> Config {
    Config {
        southbound: vec!["127.0.0.1:1".to_owned()],
        chassis: "one".into(),
        encap_ip: [127, 0, 0, 1].into(),
        encap_port: 0,
        data_dir: directory.join("data"),
        admin_socket: directory.join("admin.sock"),
        workers: 2,
        tap: TapBackend::Multiqueue,
        io: Io::Auto,
        connections: 1_024,
        tracking: Default::default(),
        uplink_rate: None,
        fruitless_per_s: 8_000,
        polling: vswitch::worker::Polling::default(),
        processors: Vec::new(),
        http: Some(([127, 0, 0, 1], 0).into()),
        verbose: 0,
        log_format: LogFormat::Text,
    }
}

/// The status and body at a path.
async fn get(vswitch: &Vswitch, path: &str) -> (String, String) {
    let address = vswitch.addresses().http.expect("HTTP is served");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = answer.rsplit("\r\n").next().unwrap_or_default().to_owned();
    (status, body)
}

#[tokio::test]
async fn a_vswitch_with_a_dead_worker_stops_saying_that_it_is_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let vswitch = Vswitch::start(config(directory.path()))
        .await
        .expect("it starts");
    let health = vswitch.health();
    assert!(health.check().await.is_ok());
    assert_eq!(get(&vswitch, "/healthz").await.0, "200");

    let (told, mut tellings) = tokio::sync::mpsc::unbounded_channel();
    let watched = health.clone();
    let watchdog = tokio::spawn(async move {
        let tell = || told.send(()).expect("the test listens");
        watched.tell_while_well(OFTEN, tell).await
    });
    for _ in 0..2 {
        tellings.recv().await.expect("all is well");
    }

    let (whole, _whole_wire) = MemoryPort::new(64).expect("a wire");
    let (faulty, wire) = MemoryPort::new(64).expect("a wire");
    health
        .data_path
        .add_port(a(), vec![Box::new(whole), Box::new(Faulty(faulty))])
        .expect("two queues");
    assert!(wire.send(&udp4(a(), c(), Shape::default()), None));

    let dead = Unhealthy::Workers(vec![1]);
    let ended = tokio::time::timeout(SOON, watchdog).await;
    assert_eq!(ended.expect("it notices").expect("it ends"), dead);
    assert_eq!(health.check().await.err(), Some(dead));
    for path in ["/healthz", "/readyz"] {
        let (status, body) = get(&vswitch, path).await;
        assert_eq!((&*status, &*body), ("503", "dead workers: 1\n"), "{path}");
    }
    vswitch.shutdown().await;
}
