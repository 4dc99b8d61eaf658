//! Debian's `ovn-nbctl` on a database server of its own, on sockets in a directory of its own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::script::{Output, Side};

/// What has to be installed.
pub(crate) const PACKAGES: &str = "ovn-common ovn-central openvswitch-common openvswitch-switch";
const SCHEMA: &str = "/usr/share/ovn/ovn-nb.ovsschema";
/// How long the server may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server; it ends with this.
pub(crate) struct Ovn {
    server: Child,
    directory: TempDir,
}

impl Ovn {
    /// Whether everything is installed.
    ///
    /// # Panics
    /// It is not, and this is CI, where nothing may be left out.
    pub(crate) fn is_installed() -> bool {
        let runs = |program: &str| {
            let mut command = Command::new(program);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let is_installed = ["ovn-nbctl", "ovsdb-server", "ovsdb-tool"]
            .into_iter()
            .all(runs)
            && std::path::Path::new(SCHEMA).exists();
        if !is_installed {
            let advice = format!("this test compares with OVN: apt-get install {PACKAGES}");
            assert!(std::env::var_os("CI").is_none(), "{advice}");
            note_skipped(&format!("comparison with ovn-nbctl: {advice}\n"));
        }
        is_installed
    }

    /// Starts a server with an empty northbound database.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("nb.db");
        let created = Command::new("ovsdb-tool")
            .arg("create")
            .arg(&database)
            .arg(SCHEMA)
            .status();
        assert!(created.expect("ovsdb-tool").success());
        let socket = directory.path().join("nb.sock");
        let server = Command::new("ovsdb-server")
            .arg(format!("--remote=punix:{}", socket.display()))
            .arg(format!(
                "--unixctl={}",
                directory.path().join("ctl").display()
            ))
            .args(["-vconsole:off", "-vsyslog:off"])
            .arg(&database)
            .env("OVS_RUNDIR", directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ovsdb-server");
        let start = Instant::now();
        // The socket is there before the server listens on it.
        while UnixStream::connect(&socket).is_err() {
            assert!(start.elapsed() < START_LIMIT, "ovsdb-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { server, directory }
    }
}

/// Says what is left out, also to the file in which a run of all tests collects it.
fn note_skipped(line: &str) {
    eprint!("skipped {line}");
    if let Some(path) = std::env::var_os("WEFT_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the list of skipped tests is writable");
    }
}

impl Drop for Ovn {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Side for Ovn {
    fn run(&mut self, words: &[String]) -> Output {
        let socket = self.directory.path().join("nb.sock");
        let output = Command::new("ovn-nbctl")
            .args(words)
            .env("OVN_NB_DB", format!("unix:{}", socket.display()))
            .env("OVS_RUNDIR", self.directory.path())
            .env("OVS_SYSLOG_METHOD", "null")
            .output()
            .expect("ovn-nbctl");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Output {
            stdout: text(output.stdout),
            stderr: text(output.stderr).replace("ovn-nbctl: ", "vsctl: "),
            status: output.status.code().unwrap_or(142),
        }
    }
}
