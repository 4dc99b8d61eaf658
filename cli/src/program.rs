//! `vsctl` as a process: arguments, environment, output, exit status.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::chain::prepare;
use crate::command::{Call, Handler};
use crate::failure::{Failure, Reader};
use crate::options::{Action, Settings, read};
use crate::output::{Palette, paint};
use crate::session::{Console, execute};
use crate::{help, listing};

/// The program's name.
pub const NAME: &str = "vsctl";

/// The name of a link by which scripts written for OVN may start it.
const OVN_NAME: &str = "ovn-nbctl";

/// Runs the program and returns its exit status: 0, or 1 when something was wrong.
pub fn main() -> ExitCode {
    let words: Result<Vec<String>, _> = std::env::args_os()
        .skip(1)
        .map(std::ffi::OsString::into_string)
        .collect();
    let result = words
        .map_err(|word| Failure::usage(format!("{}: not UTF-8", word.to_string_lossy())))
        .and_then(|words| act(&words));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where there are no colours, this takes them from what was drawn already.
            let mut stderr = anstream::stderr();
            let palette = Palette::of(&std::io::stderr());
            let text = failure.text(called(), reader(), &palette);
            // Nobody is left to tell when standard error is closed.
            let _ = stderr.write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// What messages call the program: what the script that started it calls it.
fn called() -> &'static str {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_deref().and_then(Path::file_name);
    match name.is_some_and(|name| name == OVN_NAME) {
        true => OVN_NAME,
        false => NAME,
    }
}

fn reader() -> Reader {
    if std::io::stderr().is_terminal() {
        Reader::Person
    } else if called() == OVN_NAME {
        Reader::OvnScript
    } else {
        Reader::Script
    }
}

fn act(words: &[String]) -> Result<(), Failure> {
    match read(words, |name| std::env::var(name).ok())? {
        Action::Help => print(&help::overview()),
        Action::Version => print(&help::version()),
        Action::ListCommands => print(&listing::commands()),
        Action::ListOptions => print(&listing::options()),
        Action::Run(mut settings, calls) => {
            settings.style.palette = Palette::of(&std::io::stdout());
            run(&settings, &calls)?;
        }
    }
    Ok(())
}

fn run(settings: &Settings, calls: &[Call]) -> Result<(), Failure> {
    prepare(calls)?;
    if let Some(secs) = settings.timeout_secs {
        set_alarm(Duration::from_secs(secs.into()));
    }
    if let [call] = calls
        && let Handler::Alone(run) = call.command.handler
    {
        print(&run(settings, call)?);
        return Ok(());
    }
    block_on(execute(settings, calls, &mut Streams))?
}

/// Runs a future on this thread. Connections live on another, so that they answer northd's probes while a
/// long line of commands is computed.
///
/// # Errors
/// The system refuses what an event loop needs.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// Ends the process by SIGALRM after a time, as scripts know it from `ovn-nbctl`.
fn set_alarm(after: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(after);
        let text = format!(
            "{}: terminating with signal 14 (Alarm clock): timeout of {} s expired\n",
            called(),
            after.as_secs()
        );
        // The signal says it, too.
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = kill(Pid::this(), Signal::SIGALRM);
    });
}

/// Standard output and standard error.
struct Streams;

impl Console for Streams {
    fn print(&mut self, text: &str) {
        print(text);
    }

    fn warn(&mut self, text: &str) {
        let palette = Palette::of(&std::io::stderr());
        let heading = paint(palette.heading, &format!("{}: warning:", called()));
        let line = format!("{heading} {text}\n");
        // A warning that nobody can read changes nothing.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn advise(&mut self, text: &str) {
        if std::io::stderr().is_terminal() {
            self.warn(text);
        }
    }
}

/// Prints text; a reader that went away before its end (`vsctl ... | head`) is no mistake.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
