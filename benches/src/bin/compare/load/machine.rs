//! What the kernel says of processors.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks a second, as `/proc/stat` counts (`USER_HZ`, the same on every architecture of Linux that weft runs on).
const TICKS_PER_S: u64 = 100;

/// Time that the processors of this machine have spent on work since it was started.
pub(super) fn busy() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user, nice, system, (idle, iowait,) irq, softirq
    let ticks: u64 = [0, 1, 2, 5, 6]
        .iter()
        .filter_map(|at| numbers.get(*at))
        .sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
}

/// Time that all threads of a process have run.
pub(super) fn time_of(process: u32) -> Result<Duration> {
    let directory = format!("/proc/{process}/task");
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(&directory).with_context(|| format!("cannot read {directory}"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let ns = text
            .split_whitespace()
            .next()
            .context("schedstat is empty")?;
        total += Duration::from_nanos(ns.parse()?);
    }
    Ok(total)
}
