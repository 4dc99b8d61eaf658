//! `man`: the manual pages.

use std::path::Path;

use clap_mangen::Man;

use crate::command::Call;
use crate::failure::Failure;
use crate::listing::clap_command;
use crate::options::Settings;

pub(super) fn man(_: &Settings, call: &Call) -> Result<String, Failure> {
    match call.arguments().first() {
        Some(directory) => write_pages(Path::new(directory)),
        None => {
            let mut page = Vec::new();
            let rendered = Man::new(clap_command()).render(&mut page);
            rendered.map_err(|error| Failure::new(format!("cannot write the page: {error}")))?;
            Ok(String::from_utf8_lossy(&page).into_owned())
        }
    }
}

/// Writes `vsctl.1` and a page for each command.
fn write_pages(directory: &Path) -> Result<String, Failure> {
    clap_mangen::generate_to(clap_command(), directory)
        .map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    Ok(String::new())
}
