//! Nothing is sent: what the system's own programs do then.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Metric, Values, machine};
use crate::peer::Standing;

pub(super) fn run(system: &Standing, time: Duration) -> Result<Values> {
    let used = || -> Result<Duration> {
        let mut total = Duration::ZERO;
        for process in &system.processes {
            total += machine::time_of(*process)?;
        }
        Ok(total)
    };
    let (start, before) = (Instant::now(), used()?);
    std::thread::sleep(time);
    let during = used()?.saturating_sub(before);
    let share = during.as_secs_f64() / start.elapsed().as_secs_f64();
    Ok(vec![(Metric::Idle, share * 100.0)])
}
