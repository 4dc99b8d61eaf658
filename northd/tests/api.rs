//! The northbound API over gRPC, in one process with northd.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{commit, connect, read, switch_with_ports};
use model::{Author, Changes, Database, Datum, Id, Operation, Table, nb, sb};
use northbound_proto::Replica;
use northbound_proto::northbound as wire;
use northbound_proto::northbound::northbound_client::NorthboundClient;
use northbound_proto::northbound::{CommitRequest, ReadRequest, WatchRequest, operation};
use northd::Northd;
use northd::config::{Config, LogFormat};
use northd::metrics::Metrics;
use northd::northbound::{CommitError, Northbound};
use northd::readiness::Readiness;
use northd::store::{MemoryStore, Store, StoreError, Stored};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

async fn start() -> (Northd, NorthboundClient<Channel>) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        northbound: any,
        southbound: any,
        http: None,
        data_dir: "/nonexistent".into(),
        log_format: LogFormat::Text,
        verbosity: 0,
    };
    let northd = Northd::start_on(config, MemoryStore::default()).await;
    let northd = northd.expect("northd starts");
    let client = connect(northd.addresses().northbound).await;
    (northd, client)
}

fn watch_all() -> WatchRequest {
    WatchRequest { tables: vec![] }
}

#[tokio::test]
async fn nb_global_has_its_row_from_the_start() {
    let (northd, mut client) = start().await;
    let database = read(&mut client).await;
    assert_eq!(
        database.revision(),
        northd.northbound().snapshot().revision()
    );
    assert_eq!(database.table::<nb::NbGlobal>().iter().count(), 1);
    northd.shutdown().await;
}

#[tokio::test]
async fn what_is_committed_is_read_and_what_is_refused_is_not() {
    let (northd, mut client) = start().await;
    let reply = commit(&mut client, &switch_with_ports("blue"))
        .await
        .expect("answered");
    assert_eq!(reply.error, None);
    let database = read(&mut client).await;
    assert!(database.revision() >= reply.revision);
    assert!(
        database
            .table::<nb::LogicalSwitchPort>()
            .named("blue-1")
            .is_some()
    );

    let refused = commit(&mut client, &switch_with_ports("blue"))
        .await
        .expect("answered");
    let error = refused.error.expect("the names are taken");
    assert_eq!(
        (error.kind.as_str(), error.conflict),
        ("constraint violation", false)
    );
    assert!(refused.revision >= reply.revision);
    let table = read(&mut client).await;
    let switches = table.table::<nb::LogicalSwitch>().iter();
    assert_eq!(switches.count(), 1);
    northd.shutdown().await;
}

#[tokio::test]
async fn a_watch_starts_with_the_rows_and_goes_on_without_a_gap() {
    let (northd, mut client) = start().await;
    commit(&mut client, &switch_with_ports("before"))
        .await
        .expect("answered");
    let mut stream = client
        .watch(watch_all())
        .await
        .expect("a stream")
        .into_inner();
    let mut writer = connect(northd.addresses().northbound).await;
    let writes = tokio::spawn(async move {
        for number in 0..50 {
            let reply = commit(&mut writer, &switch_with_ports(&format!("s{number}"))).await;
            assert_eq!(reply.expect("answered").error, None);
        }
    });
    let mut replica = Replica::new();
    let mut seen = 0;
    while replica.database().row_count("Logical_Switch") < 51 {
        let reply = stream.message().await.expect("a reply").expect("no end");
        if let Some(changes) = replica.watch(reply).expect("rows") {
            assert!(changes.revision > seen);
            seen = changes.revision;
        }
    }
    writes.await.expect("all written");
    // northd goes on writing what it reports until it has followed all of them.
    let differs =
        |replica: &Replica, read: &Database| !replica.database().changes_since(read).is_empty();
    while differs(&replica, &read(&mut client).await) {
        let reply = stream.message().await.expect("a reply").expect("no end");
        replica.watch(reply).expect("rows");
    }
    northd.shutdown().await;
}

#[tokio::test]
async fn a_watch_tells_of_the_tables_asked_for_only() {
    let (northd, mut client) = start().await;
    let request = WatchRequest {
        tables: vec!["Address_Set".into()],
    };
    let mut stream = client.watch(request).await.expect("a stream").into_inner();
    let first = stream.message().await.expect("a reply").expect("no end");
    assert!(first.complete && first.changes.is_empty());

    commit(&mut client, &switch_with_ports("other"))
        .await
        .expect("answered");
    let set = nb::AddressSet {
        id: Id::random(),
        name: "a".into(),
        ..nb::AddressSet::default()
    };
    let reply = commit(&mut client, &[set.insert()])
        .await
        .expect("answered");
    let next = stream.message().await.expect("a reply").expect("no end");
    assert!(next.revision >= reply.revision, "northd may have gone on");
    assert_eq!(next.changes.len(), 1);
    assert_eq!(next.changes[0].table, "Address_Set");
    northd.shutdown().await;
}

#[tokio::test]
async fn northds_own_tables_are_not_shown() {
    let (northd, mut client) = start().await;
    let chassis = sb::Chassis {
        id: Id::random(),
        encap_port: 6081,
        ..sb::Chassis::default()
    };
    let committed = northd
        .northbound()
        .commit(Author::System, vec![chassis.insert()])
        .await;
    assert_eq!(committed.expect("stored").changes.of("Chassis").len(), 1);
    let request = ReadRequest { tables: vec![] };
    let mut stream = client.read(request).await.expect("a stream").into_inner();
    while let Some(reply) = stream.message().await.expect("a reply") {
        assert!(reply.tables.iter().all(|table| table.table != "Chassis"));
    }
    for table in ["Chassis", "Cable"] {
        let request = ReadRequest {
            tables: vec![table.into()],
        };
        let status = client.read(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), format!("No table named {table}."));
    }
    northd.shutdown().await;
}

#[tokio::test]
async fn a_message_that_is_no_transaction_is_refused_with_its_place() {
    let (northd, mut client) = start().await;
    let insert = wire::Insert {
        table: "Logical_Switch".into(),
        row: None,
    };
    let operation = operation::Operation::Insert(insert);
    let operations = vec![wire::Operation {
        operation: Some(operation),
    }];
    let status = client
        .commit(CommitRequest { operations })
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "operation 0: Insert: row: missing");
    northd.shutdown().await;
}

#[tokio::test]
async fn a_row_that_no_message_could_carry_is_refused() {
    let (northd, mut client) = start().await;
    let set = nb::AddressSet {
        id: Id::random(),
        name: "a".into(),
        ..nb::AddressSet::default()
    };
    commit(&mut client, &[set.insert()])
        .await
        .expect("answered");
    let part = |number: u32| {
        let addresses = (0..40_000)
            .map(|host| format!("2001:0db8:{number:04x}:0000:0000:0000:0000:{host:04x}"));
        Operation::Mutate {
            table: nb::AddressSet::NAME.into(),
            uuid: set.id.uuid(),
            column: "addresses".into(),
            mutator: model::Mutator::Insert,
            datum: Datum::set(addresses),
        }
    };
    let mut errors = Vec::new();
    for number in 0..3 {
        errors.extend(
            commit(&mut client, &[part(number)])
                .await
                .expect("answered")
                .error,
        );
    }
    let details = errors
        .first()
        .map(|error| error.details.as_str())
        .unwrap_or_default();
    assert!(
        details.contains("more than the maximum of 3145728"),
        "{details}"
    );
    // What fitted is there, and can be read.
    let database = read(&mut client).await;
    let stored = database
        .table::<nb::AddressSet>()
        .named("a")
        .expect("there");
    assert_eq!(stored.addresses.len(), 40_000 * (3 - errors.len()));
    northd.shutdown().await;
}

#[tokio::test]
async fn a_northd_that_stops_ends_its_watches_and_refuses_transactions() {
    let (northd, mut client) = start().await;
    let mut stream = client
        .watch(watch_all())
        .await
        .expect("a stream")
        .into_inner();
    stream.message().await.expect("a reply").expect("the rows");
    let door = northd.northbound().clone();
    northd.shutdown().await;
    // The stream ends, properly or with the connection.
    while let Ok(Some(_)) = stream.message().await {}
    let refused = door.commit(Author::System, vec![]).await;
    assert_eq!(
        refused.expect_err("stopped").to_string(),
        "northd is stopping"
    );
}

#[tokio::test]
async fn generic_clients_find_the_service_and_its_health() {
    let (northd, _) = start().await;
    let address = format!("http://{}", northd.addresses().northbound);
    let channel = Channel::from_shared(address)
        .expect("a URI")
        .connect()
        .await;
    let channel = channel.expect("northd listens");

    let mut health = HealthClient::new(channel.clone());
    let service = "weft.northbound.v1.Northbound".to_owned();
    let request = HealthCheckRequest {
        service: service.clone(),
    };
    let reply = health.check(request).await.expect("known").into_inner();
    assert_eq!(reply.status(), ServingStatus::Serving);

    let mut reflection = ServerReflectionClient::new(channel);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let replies = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await;
    let reply = replies
        .expect("a stream")
        .into_inner()
        .message()
        .await
        .expect("a reply");
    let response = reply.and_then(|reply| reply.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = response else {
        panic!("{response:?}");
    };
    assert!(list.service.iter().any(|listed| listed.name == service));
    northd.shutdown().await;
}

/// A store that can be told to fail.
struct Faulty {
    memory: MemoryStore,
    is_failing: Arc<AtomicBool>,
}

impl Store for Faulty {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.memory.load()
    }

    fn append(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if self.is_failing.load(Ordering::Relaxed) {
            return Err(StoreError::File {
                path: "/data".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.memory.append(changes)
    }
}

#[tokio::test]
async fn what_cannot_be_stored_does_not_happen_and_northd_says_so() {
    let is_failing = Arc::new(AtomicBool::new(false));
    let store = Faulty {
        memory: MemoryStore::default(),
        is_failing: Arc::clone(&is_failing),
    };
    let readiness = Arc::new(Readiness::default());
    let opened = Northbound::open(store, Arc::new(Metrics::new()), Arc::clone(&readiness));
    let (northbound, writer) = opened.expect("opened");
    let before = northbound.snapshot();

    is_failing.store(true, Ordering::Relaxed);
    let error = northbound
        .commit(Author::Client, switch_with_ports("a"))
        .await;
    assert!(matches!(error, Err(CommitError::Store(_))), "{error:?}");
    assert!(northbound.snapshot().changes_since(&before).is_empty());
    assert_eq!(readiness.report(), ["store: /data cannot be used"]);

    is_failing.store(false, Ordering::Relaxed);
    let committed = northbound
        .commit(Author::Client, switch_with_ports("a"))
        .await;
    assert_eq!(committed.expect("stored").revision, before.revision() + 1);
    assert!(readiness.report().is_empty());
    writer.stop().await;
}

#[tokio::test]
async fn transactions_that_wait_together_are_applied_one_after_the_other() {
    let opened = Northbound::open(MemoryStore::default(), Arc::default(), Arc::default());
    let (northbound, writer) = opened.expect("opened");
    let global = northbound.snapshot().table::<nb::NbGlobal>().iter().next();
    let uuid = global.expect("there from the start").id.uuid();
    let add_one = move || Operation::Mutate {
        table: nb::NbGlobal::NAME.into(),
        uuid,
        column: "nb_cfg".into(),
        mutator: model::Mutator::Add,
        datum: Datum::scalar(1),
    };
    let commits = (0..100).map(|_| {
        let northbound = northbound.clone();
        tokio::spawn(async move { northbound.commit(Author::Client, vec![add_one()]).await })
    });
    let mut revisions = BTreeSet::new();
    for commit in commits.collect::<Vec<_>>() {
        revisions.insert(commit.await.expect("no panic").expect("stored").revision);
    }
    // Each has a revision of its own, although many were stored in one step.
    assert_eq!(revisions.len(), 100);
    let global = northbound.snapshot().table::<nb::NbGlobal>().iter().next();
    assert_eq!(global.map(|global| global.nb_cfg), Some(100));
    writer.stop().await;
}
