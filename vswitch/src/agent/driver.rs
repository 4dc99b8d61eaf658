//! Runs the agent: feeds it what happens, and does what it wants done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use southbound_proto::southbound as wire;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::counting::{COUNT_INTERVAL, Counting};
use super::interfaces::Interfaces;
use super::session::{self, Status};
use super::transport::{self, OUTBOUND_MAX};
use super::watch::Watch;
use super::{
    Agent, AttachRequest, Attachment, Effect, Event, PortStatus, Refusal, Saved, WaiterId,
};
use crate::attach::InterfacePlan;
use crate::datapath::{DataPath, PortFrame};
use crate::port::Taps;
use crate::probe::Report;
use crate::state::State;

/// Events and commands that wait for the agent, at most; who has more waits.
const QUEUE_MAX: usize = 4_096;
/// Answers to probes that the agent is told of at once, at most.
const ANSWERS_MAX: usize = 64;
/// The pause before saving the objects is tried again. Otherwise there is none: what changes during one save
/// goes with the next.
const SAVE_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often the namespaces of attached interfaces are looked for.
const GONE_INTERVAL: Duration = Duration::from_secs(2);

/// How the rest of the vswitch speaks with the agent.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
}

/// What became of an attach (the interface's configuration) or detach (nothing).
pub type Outcome = Result<Option<InterfacePlan>, Refusal>;

enum Command {
    Attach {
        waiter: WaiterId,
        request: AttachRequest,
        deadline: Option<Instant>,
        reply: oneshot::Sender<Outcome>,
    },
    Detach {
        waiter: WaiterId,
        port: String,
        if_exists: bool,
        reply: oneshot::Sender<Outcome>,
    },
    Cancel(WaiterId),
    TunnelMtu(u32),
    View(oneshot::Sender<View>),
}

/// The agent as others see it, at one time.
#[derive(Clone, Debug)]
pub struct View {
    /// What the southbound session is doing.
    pub status: Status,
    /// True once northd was there.
    pub was_connected: bool,
    /// The current or next address of northd.
    pub address: String,
    /// Since when the session is connected or not.
    pub since: Instant,
    /// Why the last stream ended; empty when none did.
    pub last_error: String,
    /// The revision in force; 0 for none.
    pub revision: u64,
    /// What an earlier life left is forwarded again, as far as it can be.
    pub is_restored: bool,
    /// How many objects the node holds.
    pub objects: usize,
    /// What is attached and how it stands.
    pub ports: Vec<PortStatus>,
    /// The backends that are probed and how they fare.
    pub probes: Vec<Report>,
    /// The tables.
    pub tables: pipeline::Tables,
}

impl Control {
    /// Attaches a port; returns when it is up. Dropping the future takes it back.
    pub async fn attach(
        &self,
        waiter: WaiterId,
        request: AttachRequest,
        deadline: Option<Instant>,
    ) -> Option<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let command = Command::Attach {
            waiter,
            request,
            deadline,
            reply,
        };
        self.commands.send(command).await.ok()?;
        let cancel = CancelOnDrop {
            commands: &self.commands,
            waiter,
        };
        let outcome = outcome.await.ok();
        std::mem::forget(cancel);
        outcome
    }

    /// Detaches a port.
    pub async fn detach(&self, waiter: WaiterId, port: String, if_exists: bool) -> Option<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let command = Command::Detach {
            waiter,
            port,
            if_exists,
            reply,
        };
        self.commands.send(command).await.ok()?;
        outcome.await.ok()
    }

    /// Makes the MTU of attached interfaces follow what fits the tunnel, in bytes of L3.
    pub async fn set_tunnel_mtu(&self, mtu: u32) {
        // An agent that has stopped has no interfaces to look after.
        let _ = self.commands.send(Command::TunnelMtu(mtu)).await;
    }

    /// The agent as it stands; `None` when it has stopped.
    pub async fn view(&self) -> Option<View> {
        let (reply, view) = oneshot::channel();
        self.commands.send(Command::View(reply)).await.ok()?;
        view.await.ok()
    }
}

/// Tells the agent that a caller went away before the answer.
struct CancelOnDrop<'a> {
    commands: &'a mpsc::Sender<Command>,
    waiter: WaiterId,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self
            .commands
            .try_send(Command::Cancel(self.waiter))
            .is_err()
        {
            tracing::warn!("the agent is too busy to hear that a caller went away");
        }
    }
}

/// What the driver is made of.
pub struct Parts {
    /// The agent and what it wants done first.
    pub agent: (Agent, Vec<Effect>),
    /// The data path that it controls.
    pub data_path: Arc<DataPath>,
    /// How the interfaces of ports are made.
    pub taps: Taps,
    /// Where its state is saved.
    pub state: State,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Starts the agent on the current runtime. The task ends when it is told to stop, with all saved.
pub fn start(parts: Parts) -> (Control, JoinHandle<()>) {
    let (commands, command_receiver) = mpsc::channel(QUEUE_MAX);
    let (events, event_receiver) = mpsc::channel(QUEUE_MAX);
    let (agent, effects) = parts.agent;
    // Nobody else has them.
    let answers = parts.data_path.take_answers();
    let driver = Driver {
        agent,
        data_path: parts.data_path.clone(),
        counting: Counting::default(),
        interfaces: Interfaces::new(parts.data_path.clone(), parts.taps, events.clone()),
        watch: Watch::start(parts.data_path, events.clone()),
        state: Arc::new(parts.state),
        events,
        stream: None,
        replies: HashMap::new(),
        saving: None,
        is_unsaved: false,
    };
    let task = tokio::spawn(driver.run(
        effects,
        (command_receiver, event_receiver, answers),
        parts.stop,
    ));
    (Control { commands }, task)
}

struct Driver {
    agent: Agent,
    data_path: Arc<DataPath>,
    counting: Counting,
    interfaces: Interfaces,
    watch: Watch,
    state: Arc<State>,
    events: mpsc::Sender<Event>,
    stream: Option<Stream>,
    replies: HashMap<WaiterId, oneshot::Sender<Outcome>>,
    saving: Option<JoinHandle<bool>>,
    /// The objects changed since they were last saved.
    is_unsaved: bool,
}

struct Stream {
    number: u64,
    outbound: mpsc::Sender<wire::FromNode>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Driver {
    async fn run(
        mut self,
        effects: Vec<Effect>,
        (mut commands, mut events, mut answers): Inlets,
        stop: CancellationToken,
    ) {
        self.perform(effects).await;
        let mut gone_check = tokio::time::interval(GONE_INTERVAL);
        let mut count = tokio::time::interval(COUNT_INTERVAL);
        loop {
            let deadline = self.agent.deadline();
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                saved = finished(&mut self.saving) => {
                    self.saved(saved);
                    continue;
                }
                Some(command) = commands.recv() => match self.command(command) {
                    Some(event) => event,
                    None => continue,
                },
                Some(event) = events.recv() => event,
                Some(frames) = next_frames(&mut answers) => Event::Monitored(frames),
                _ = gone_check.tick() => {
                    self.find_gone().await;
                    continue;
                }
                _ = count.tick() => match self.count() {
                    Some(event) => event,
                    None => continue,
                },
                () = tokio::time::sleep_until(deadline.into()) => Event::Tick,
            };
            let effects = self.agent.handle(event, Instant::now());
            self.perform(effects).await;
        }
        self.finish().await;
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Attach {
                waiter,
                request,
                deadline,
                reply,
            } => {
                self.replies.insert(waiter, reply);
                Some(Event::Attach {
                    waiter,
                    request,
                    deadline,
                })
            }
            Command::Detach {
                waiter,
                port,
                if_exists,
                reply,
            } => {
                self.replies.insert(waiter, reply);
                Some(Event::Detach {
                    waiter,
                    port,
                    if_exists,
                })
            }
            Command::Cancel(waiter) => {
                self.replies.remove(&waiter);
                Some(Event::Cancel { waiter })
            }
            Command::TunnelMtu(mtu) => Some(Event::TunnelMtu(mtu)),
            Command::View(reply) => {
                // Who asked may have gone.
                let _ = reply.send(self.view());
                None
            }
        }
    }

    fn view(&self) -> View {
        let session = self.agent.session();
        View {
            status: session.status(),
            was_connected: session.was_established(),
            address: session.address().to_owned(),
            since: session.since(),
            last_error: session.last_error().to_owned(),
            revision: self.agent.revision_in_force(),
            is_restored: self.agent.is_restored(),
            objects: self.agent.objects().count(),
            ports: self.agent.port_statuses(),
            probes: self.agent.probe_reports(),
            tables: self.agent.objects().tables().clone(),
        }
    }

    async fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Stream(effect) => self.stream_effect(effect),
                Effect::Probe(frame) => self.watch.probe(frame),
                Effect::Publish {
                    epoch,
                    tables,
                    ended,
                } => self.watch.publish(epoch, tables, ended),
                Effect::SaveObjects => {
                    self.is_unsaved = true;
                    self.save_objects();
                }
                Effect::SaveAttachments(attachments) => self.save_attachments(attachments).await,
                Effect::OpenInterface {
                    serial,
                    attachment,
                    mode,
                } => self.interfaces.open(serial, attachment, mode),
                Effect::Install {
                    serial,
                    attachment,
                    at,
                    plan,
                } => self.interfaces.install(serial, attachment, at, plan),
                Effect::Unplug { port, at } => self.interfaces.unplug(port, at),
                Effect::DeleteInterface { attachment, waiter } => {
                    self.interfaces.delete(attachment, waiter);
                }
                Effect::Answer { waiter, result } => {
                    if let Some(reply) = self.replies.remove(&waiter) {
                        // Who asked may have gone.
                        let _ = reply.send(result);
                    }
                }
            }
        }
    }

    fn stream_effect(&mut self, effect: session::Effect) {
        match effect {
            session::Effect::Connect { stream, address } => {
                tracing::debug!(address, "connecting to northd");
                self.counting.forget();
                let (outbound, receiver) = mpsc::channel(OUTBOUND_MAX);
                let events = self.events.clone();
                self.stream = Some(Stream {
                    number: stream,
                    outbound,
                    task: tokio::spawn(transport::run(stream, address, receiver, events)),
                });
            }
            session::Effect::Send { stream, message } => {
                let current = self
                    .stream
                    .as_ref()
                    .filter(|current| current.number == stream);
                if current.is_some_and(|current| current.outbound.try_send(message).is_err()) {
                    // A message is missing now: northd sees that by its number, or the stream is gone.
                    tracing::warn!("northd does not take what it is told");
                    self.stream = None;
                }
            }
            session::Effect::Close { stream } => {
                self.stream.take_if(|current| current.number == stream);
            }
            other => unreachable!("the agent deals with {other:?} itself"),
        }
    }

    /// What northd is to be told of what the rules have come to.
    fn count(&mut self) -> Option<Event> {
        if !self.agent.session().is_established() {
            return None;
        }
        let sums = self.data_path.ledger().sums();
        let now_ms = self.data_path.now_ms();
        let unix_ms = |time_ms| crate::node::unix_ms_ago(now_ms.saturating_sub(time_ms));
        self.counting.next(&sums, unix_ms).map(Event::Counted)
    }

    // === saving ===

    fn save_objects(&mut self) {
        if self.saving.is_some() || !self.is_unsaved {
            return;
        }
        self.is_unsaved = false;
        let saved: Saved = self.agent.objects().saved();
        let state = self.state.clone();
        self.saving = Some(tokio::spawn(async move {
            let save = move || state.save_objects(&saved);
            let result = tokio::task::spawn_blocking(save).await;
            if matches!(result, Ok(Ok(()))) {
                return true;
            }
            tracing::error!(?result, "the objects could not be saved; trying again");
            tokio::time::sleep(SAVE_RETRY_PAUSE).await;
            false
        }));
    }

    fn saved(&mut self, is_saved: bool) {
        self.saving = None;
        self.is_unsaved |= !is_saved;
        self.save_objects();
    }

    async fn save_attachments(&self, attachments: Vec<Attachment>) {
        let state = self.state.clone();
        let save = move || state.save_attachments(&attachments);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(save).await {
            tracing::error!(%error, "the attachments could not be saved: a restart may not know them");
        }
    }

    // === the end of things ===

    /// Tells the agent of interfaces whose namespaces are gone.
    async fn find_gone(&mut self) {
        let attached = self.agent.attached_interfaces();
        let is_gone = |attachment: &Attachment| {
            let found = std::fs::metadata(&attachment.netns);
            found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        for attachment in attached.into_iter().filter(is_gone) {
            let port = attachment.port;
            let effects = self
                .agent
                .handle(Event::InterfaceGone { port }, Instant::now());
            self.perform(effects).await;
        }
    }

    async fn finish(mut self) {
        self.stream = None;
        self.interfaces.finish().await;
        if let Some(saving) = self.saving.take() {
            self.is_unsaved |= !saving.await.unwrap_or(false);
        }
        if self.is_unsaved
            && let Err(error) = self.state.save_objects(&self.agent.objects().saved())
        {
            tracing::error!(%error, "the objects could not be saved");
        }
    }
}

/// Where the driver hears of things.
type Inlets = (
    mpsc::Receiver<Command>,
    mpsc::Receiver<Event>,
    Option<mpsc::Receiver<PortFrame>>,
);

/// Waits for answers to probes, and takes some at once; `None` when there will be no more.
async fn next_frames(answers: &mut Option<mpsc::Receiver<PortFrame>>) -> Option<Vec<PortFrame>> {
    let mut frames = Vec::new();
    let count = answers.as_mut()?.recv_many(&mut frames, ANSWERS_MAX).await;
    (count > 0).then_some(frames)
}

/// Waits for a task that may not be there: then, for good.
async fn finished(task: &mut Option<JoinHandle<bool>>) -> bool {
    match task {
        Some(task) => task.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}
