//! Work whose instructions are counted, each piece between entering and leaving [`counted`].
//!
//! Under callgrind, told to collect within that function only and to dump after it, the program leaves one dump a
//! line of its output: the name of the work, and by how many the count is to be divided. By itself it only shows that
//! the work can be done. `cargo xtask bench count` runs and reads it, half of the work in each of two processes.

mod packets;
mod pipeline;
mod tables;

/// Does the work once to warm up, and once more to be counted. `units` is how many packets, or other things that the
/// cost is told for, one turn of the work is about.
fn count(name: &str, units: usize, mut work: impl FnMut()) {
    work();
    counted(&mut work);
    println!("{name} {units}");
}

/// What callgrind is told to look at.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    std::hint::black_box(());
}

fn main() -> anyhow::Result<()> {
    let half = std::env::args().nth(1);
    match half.as_deref() {
        Some("packets") => {
            // First, as where memory is free is the same in every run only until threads have taken and given back some.
            pipeline::changes();
            packets::count_all();
            tables::count_all();
            pipeline::hits()?;
            pipeline::connects()?;
        }
        Some("rules") => pipeline::misses(),
        _ => anyhow::bail!("usage: count packets|rules"),
    }
    Ok(())
}
