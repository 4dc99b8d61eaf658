//! What this machine must offer: the tools of the tests, `/dev/net/tun`, and namespaces.
//!
//! Everything that is missing is named together with what would provide it.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// The command by which this program asks a child of itself to try [`probe_here`].
pub(crate) const PROBE: &str = "probe-namespaces";

/// The programs that the tests drive, each with the Debian package that brings it.
pub(crate) const TOOLS: [(&str, &str); 11] = [
    ("ovn-nbctl", "ovn-common"),
    ("ovn-trace", "ovn-common"),
    ("ovn-northd", "ovn-central"),
    ("ovsdb-server", "openvswitch-common"),
    ("ovsdb-tool", "openvswitch-common"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("iperf3", "iperf3"),
    ("curl", "curl"),
    ("valgrind", "valgrind"),
];

/// The Debian packages of the tools that are not to be found on this machine, each once.
pub(crate) fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<_> = TOOLS
        .iter()
        .filter(|(tool, _)| !is_installed(tool))
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Whether a program of this name is in a directory where programs are kept.
fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory: std::path::PathBuf| directory.join(tool).is_file())
}

/// Whether libFuzzer can be built: there is a C++ compiler.
pub(crate) fn check_cpp_compiler() -> Result<()> {
    if std::env::var_os("CXX").is_some() || is_installed("c++") {
        return Ok(());
    }
    bail!(
        "there is no C++ compiler, and the fuzz targets are built with one\n  \
         try, as root: apt-get install g++"
    )
}

/// Whether pods can be given TAP devices: `/dev/net/tun` opens for reading and writing.
pub(crate) fn check_tun() -> Result<()> {
    let path = Path::new("/dev/net/tun");
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "/dev/net/tun is not there, and pods are attached through it\n  \
             try, as root: modprobe tun   (in a container: --device /dev/net/tun)"
        ),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
            "/dev/net/tun may not be opened by this user, and pods are attached through it\n  \
             try, as root: chmod 0666 /dev/net/tun   (most systems have it so), or run as root"
        ),
        Err(error) => {
            Err(error).context("/dev/net/tun does not open\n  try, as root: modprobe tun")
        }
    }
}

/// Whether this user may make user, network and mount namespaces.
pub(crate) fn check_namespaces() -> Result<()> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(this)
        .arg(PROBE)
        .stdin(Stdio::null())
        .output()
        .context("cannot start this program again")?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end())
}

/// Tries to move this process into fresh namespaces, as a sandbox does.
pub(crate) fn probe_here() -> Result<()> {
    let network = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let Err(refusal) = unshare(CloneFlags::CLONE_NEWUSER | network) else {
        return Ok(());
    };
    if unshare(network).is_ok() {
        return Ok(());
    }
    bail!(
        "user namespaces are refused ({}), and the network is built inside one\n  try, as root: {}",
        refusal.desc(),
        remedy(refusal)
    )
}

/// The setting that most likely stands behind a refusal.
fn remedy(refusal: Errno) -> String {
    let switches = [
        (
            "/proc/sys/user/max_user_namespaces",
            "0",
            "sysctl user.max_user_namespaces=10000",
        ),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "sysctl kernel.unprivileged_userns_clone=1",
        ),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    let set_against = |path: &str, value: &str| {
        std::fs::read_to_string(path).is_ok_and(|content| content.trim() == value)
    };
    switches
        .into_iter()
        .find(|(path, value, _)| set_against(path, value))
        .map(|(_, _, command)| command.to_owned())
        .unwrap_or_else(|| match refusal {
            Errno::EPERM => "allow user namespaces in the container's seccomp profile, or run as root outside it".into(),
            Errno::ENOSPC => "sysctl user.max_user_namespaces=10000 user.max_net_namespaces=10000".into(),
            _ => "a kernel with CONFIG_USER_NS and CONFIG_NET_NS".into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_named_once_and_with_its_package() {
        let mut names: Vec<_> = TOOLS.iter().map(|(tool, _)| tool).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
        assert!(TOOLS.iter().all(|(_, package)| !package.is_empty()));
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_installed() {
        assert!(!is_installed("weft-there-is-no-such-program"));
        assert!(is_installed("sh"));
    }
}
