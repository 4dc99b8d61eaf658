//! `vsctl`: see [`cli`].

fn main() -> std::process::ExitCode {
    cli::program::main()
}
