//! A line of commands from reading the database to waiting for its change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::nb::NbGlobal;
use model::{Database, Table as _, TransactionError};

use crate::chain::{Finished, Outcome, run};
use crate::client::{Client, Committed};
use crate::command::Call;
use crate::failure::Failure;
use crate::options::{Settings, Wait};
use crate::rule_stats::RuleStats;

/// How long to wait before a northd that went away is asked again.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(200);

/// Where a line's output goes.
pub trait Console {
    /// Prints to standard output.
    fn print(&mut self, text: &str);
    /// Says what `ovn-nbctl` would say, too, though nothing is wrong.
    fn warn(&mut self, text: &str);
    /// Says to people, and not to scripts, what is stored but not in force; `status` shows it later.
    fn advise(&mut self, text: &str);
}

/// Runs the calls as one transaction, again from the start when what it relied on has changed meanwhile,
/// prints what they print, and waits as the settings say.
///
/// # Errors
/// What was wrong; then nothing has changed, unless waiting failed.
pub async fn execute(
    settings: &Settings,
    calls: &[Call],
    console: &mut impl Console,
) -> Result<(), Failure> {
    let mut client = Client::connect(&settings.northbound).await?;
    let mut database = client.read().await?;
    let stats = RuleStats::read(&mut client, calls).await?;
    loop {
        let finished = match run(&database, &stats, calls, settings)? {
            Outcome::TryAgain => {
                database = changed(&mut client, &database).await?;
                continue;
            }
            Outcome::Done(finished) => finished,
        };
        if finished.operations.is_empty() || settings.is_dry_run {
            report(&finished, settings, console);
            return Ok(());
        }
        let start_ms = now_ms();
        match client.commit(&finished.operations).await? {
            Committed::Conflict => database = client.read().await?,
            Committed::Refused(error) => return Err(refusal(&error)),
            Committed::Done(warnings) => {
                report(&finished, settings, console);
                warnings.iter().for_each(|warning| console.advise(warning));
                return wait(&mut client, settings, start_ms, console).await;
            }
        }
    }
}

/// The database after it has changed from what it was at the revision of `database`.
async fn changed(client: &mut Client, database: &Database) -> Result<Database, Failure> {
    let mut watch = client.watch(&[]).await?;
    loop {
        let next = watch.next().await?;
        if next.revision() != database.revision() {
            return Ok(next.clone());
        }
    }
}

fn report(finished: &Finished, settings: &Settings, console: &mut impl Console) {
    finished
        .warnings
        .iter()
        .for_each(|warning| console.warn(warning));
    console.print(&finished.text(settings));
}

/// A refusal in the words of OVSDB's tools. Of details with several lines all but the first are a drawing,
/// which is printed as it is.
pub fn refusal(error: &TransactionError) -> Failure {
    let (details, drawing) = match error.details.split_once('\n') {
        Some((details, drawing)) => (details, format!("\n{drawing}")),
        None => (error.details.as_str(), String::new()),
    };
    let error = TransactionError::new(error.kind, details);
    let message = format!("transaction error: {}{drawing}", error.to_json());
    Failure::new(message).hint(details)
}

/// Waits until the configuration that was just committed has arrived. It is durable, so that a northd that
/// goes away meanwhile is waited for, too.
async fn wait(
    client: &mut Client,
    settings: &Settings,
    start_ms: i64,
    console: &mut impl Console,
) -> Result<(), Failure> {
    if settings.wait == Wait::None {
        return Ok(());
    }
    let mut target = None;
    let global = loop {
        match arrival(client, settings.wait, &mut target).await {
            Ok(global) => break global,
            Err(failure) => console.advise(&format!("{failure}; waiting for northd to come back")),
        }
        tokio::time::sleep(RECONNECT_INTERVAL).await;
    };
    if settings.prints_wait_time {
        let target = target.unwrap_or(global.nb_cfg);
        console.print(&wait_times(&global, settings.wait, target, start_ms));
    }
    Ok(())
}

/// The row of `NB_Global` once the configuration `target` has arrived: the latest one at the first look,
/// which includes what was just committed.
async fn arrival(
    client: &mut Client,
    wait: Wait,
    target: &mut Option<i64>,
) -> Result<NbGlobal, Failure> {
    let mut watch = client.watch(&[NbGlobal::NAME]).await?;
    loop {
        let database = watch.next().await?;
        let Some(global) = database.table::<NbGlobal>().iter().next() else {
            continue;
        };
        let target = *target.get_or_insert(global.nb_cfg);
        let arrived = match wait {
            Wait::Hypervisors => global.sb_cfg.min(global.hv_cfg),
            _ => global.sb_cfg,
        };
        if arrived >= target {
            return Ok(global);
        }
    }
}

fn wait_times(global: &NbGlobal, wait: Wait, target: i64, start_ms: i64) -> String {
    let mut text = format!(
        "Time spent on processing nb_cfg {target}:\n\
         \tovn-northd delay before processing:\t{}ms\n\
         \tovn-northd completion:\t\t\t{}ms\n",
        global.nb_cfg_timestamp - start_ms,
        global.sb_cfg_timestamp - start_ms
    );
    if wait == Wait::Hypervisors {
        let completion = global.hv_cfg_timestamp - start_ms;
        text.push_str(&format!(
            "\tovn-controller(s) completion:\t\t{completion}ms\n"
        ));
    }
    text
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
