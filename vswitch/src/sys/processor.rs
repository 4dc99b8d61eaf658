//! The processors that threads run on.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Refuses a processor that the calling thread may not run on.
pub fn may_use(processor: usize) -> Result<(), Errno> {
    match sched_getaffinity(Pid::from_raw(0))?.is_set(processor)? {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}

/// Lets the calling thread run on this processor alone.
pub fn pin_to(processor: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_be_pinned_to_a_processor_that_it_may_use_and_to_no_other() {
        let may = || (0..CpuSet::count()).filter(|number| may_use(*number).is_ok());
        let some = may().next().expect("one at least");
        pin_to(some).expect("may");
        assert_eq!(may().collect::<Vec<_>>(), [some]);
        assert!(pin_to(usize::MAX).is_err());
    }
}
