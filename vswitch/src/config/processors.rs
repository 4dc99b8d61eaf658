//! The option that gives workers processors of their own.

use super::{ConfigError, refused};

/// More than any machine has.
const NUMBER_MAX: usize = 4_095;

/// The processor of each worker; nothing if workers run where the kernel puts them.
pub(super) fn processors(list: Option<&str>, workers: usize) -> Result<Vec<usize>, ConfigError> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let wrong = |problem: &str| refused("cpus", list, problem);
    let mut processors = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse()) else {
            return Err(wrong("expected numbers and ranges, such as 2,4-7"));
        };
        if first > last || last > NUMBER_MAX {
            return Err(wrong("there is no such range of processors"));
        }
        processors.extend(first..=last);
    }
    let count = processors.len();
    if count < workers {
        let problem = format!("{count} processors are too few for {workers} workers");
        return Err(wrong(&problem));
    }
    processors.truncate(workers);
    Ok(processors)
}
