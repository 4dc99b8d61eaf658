//! Programs that run beside a test: started in a namespace, watched, and never left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::namespace::Namespace;

/// How often a condition that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How many of a program's last lines are shown when a test fails.
const TAIL_LINES: usize = 30;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    /// What stood in the log before the program started, in bytes.
    log_start: usize,
}

impl Daemon {
    /// Starts a program in a namespace; what it prints goes to the file `log`.
    pub fn start(
        name: &str,
        namespace: &Namespace,
        command: &mut Command,
        log: PathBuf,
    ) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let log_start = output
            .metadata()
            .map_or(0, |metadata| metadata.len() as usize);
        let errors = output.try_clone().context("cannot share a log file")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = namespace
            .spawn(command)
            .with_context(|| format!("cannot start {name}"))?;
        let name = name.to_owned();
        Ok(Self {
            name,
            child,
            log,
            log_start,
        })
    }

    /// Waits until a line of the log satisfies `accept`, and returns that line.
    pub fn wait_for_line(
        &mut self,
        limit: Duration,
        accept: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.lines().iter().rev().find(|line| accept(line)) {
                return Ok(line.clone());
            }
            if let Some(status) = self
                .child
                .try_wait()
                .context("cannot ask for a child's state")?
            {
                bail!("{} ended ({status}):\n{}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} did not say what was awaited within {limit:?}:\n{}",
                    self.name,
                    self.tail()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends the program at once, as a crash would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks the program to stop and waits until it has, for ten seconds at most.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context("cannot ask for a child's state")?
            {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} does not stop when asked to:\n{}",
                    self.name,
                    self.tail()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid()?, signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// The processor time that the program has used so far, in the kernel too.
    pub fn processor_time(&self) -> Result<Duration> {
        let clock = ClockId::pid_cpu_clock_id(self.pid()?).and_then(ClockId::now);
        let used =
            clock.with_context(|| format!("cannot tell the processor time of {}", self.name))?;
        Ok(used.into())
    }

    fn pid(&self) -> Result<Pid> {
        let number = i32::try_from(self.child.id()).context("a process number is out of range")?;
        Ok(Pid::from_raw(number))
    }

    /// The number of the program's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn lines(&self) -> Vec<String> {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default())
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn end(&mut self) {
        // Both fail only for a program that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the last lines of {} ---\n{}", self.name, self.tail());
        }
        self.end();
    }
}

/// Looks again and again until `look` finds something, for `limit` at most.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
