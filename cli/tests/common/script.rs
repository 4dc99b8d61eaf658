//! Reading scripts and running them into transcripts.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// What came out of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

/// Something that carries out commands.
pub(crate) trait Side {
    /// Runs a command line and returns what came out, with the program called `vsctl`.
    fn run(&mut self, words: &[String]) -> Output;
}

/// A line of a script.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
    pub(crate) is_sorted: bool,
    pub(crate) has_blocks: bool,
    pub(crate) differs: bool,
    pub(crate) is_reported: bool,
}

/// A script with its name.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
}

/// All scripts, by name.
pub(crate) fn all() -> Vec<Script> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the scripts' directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no scripts");
    paths.iter().map(|path| Script::read(path)).collect()
}

impl Script {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a script");
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let lines = text
            .lines()
            .enumerate()
            .filter_map(|(index, line)| Line::read(index + 1, line));
        Self {
            name,
            lines: lines.collect(),
        }
    }

    /// Runs the script: an entry a line, with what came out in a form that can be compared.
    pub(crate) fn transcript(&self, side: &mut impl Side) -> Vec<String> {
        let mut uuids = Uuids::default();
        self.lines
            .iter()
            .map(|line| {
                let words: Vec<String> = line
                    .words
                    .iter()
                    .map(|word| uuids.substitute(word))
                    .collect();
                let output = side.run(&words);
                // The UUIDs of both sides have to have the same numbers afterwards.
                if !line.differs {
                    uuids.learn(&output.stdout);
                }
                let stdout = line.in_order(&uuids.hide(&output.stdout));
                let stderr = uuids.hide(&normalize_errors(&output.stderr));
                let status = match output.status {
                    0 => String::new(),
                    status => format!("[{status}]\n"),
                };
                format!("$ {}\n{stdout}{stderr}{status}", line.text)
            })
            .collect()
    }
}

impl Line {
    fn read(number: usize, line: &str) -> Option<Self> {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let mut words = split(text);
        let mut line = Self {
            number,
            text: text.to_owned(),
            words: Vec::new(),
            is_sorted: false,
            has_blocks: false,
            differs: false,
            is_reported: false,
        };
        while let Some(first) = words.first() {
            match first.as_str() {
                "sort" => line.is_sorted = true,
                "blocks" => line.has_blocks = true,
                "differs" => line.differs = true,
                "reported" => line.is_reported = true,
                _ => break,
            }
            words.remove(0);
        }
        line.words = words;
        Some(line)
    }

    fn in_order(&self, stdout: &str) -> String {
        if self.is_sorted {
            let mut lines: Vec<&str> = stdout.lines().collect();
            lines.sort_unstable();
            lines.iter().map(|line| format!("{line}\n")).collect()
        } else if self.has_blocks {
            sort_blocks(stdout)
        } else {
            stdout.to_owned()
        }
    }
}

/// Sorts blocks of lines: those between empty lines, or lines with what is indented under them.
fn sort_blocks(text: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    sort_below(&lines, 0, &depth).concat()
}

fn sort_below(lines: &[&str], level: usize, depth: &dyn Fn(&str) -> usize) -> Vec<String> {
    let has_gaps = lines.iter().any(|line| line.is_empty());
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut is_new = true;
    for &line in lines {
        if line.is_empty() {
            is_new = true;
            continue;
        }
        if is_new || (!has_gaps && depth(line) <= level) {
            blocks.push(Vec::new());
        }
        is_new = false;
        blocks.last_mut().expect("a block").push(line);
    }
    let mut blocks: Vec<String> = blocks
        .into_iter()
        .map(|block| match block.split_first() {
            Some((head, body)) if !has_gaps && !body.is_empty() => {
                let level = body.iter().map(|line| depth(line)).min().unwrap_or(0);
                format!("{head}\n{}", sort_below(body, level, depth).concat())
            }
            _ => block.iter().map(|line| format!("{line}\n")).collect(),
        })
        .collect();
    blocks.sort_unstable();
    blocks
}

/// Splits a line into words as a shell does, without expansions.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().extend(
                characters
                    .by_ref()
                    .take_while(|&character| character != '\''),
            ),
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(character) = characters.next() {
                    match character {
                        '"' => break,
                        '\\' => word.extend(characters.next()),
                        _ => word.push(character),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// The UUIDs printed so far, in order.
#[derive(Default)]
struct Uuids(Vec<String>);

const UUID_LENGTH: usize = 36;

impl Uuids {
    fn learn(&mut self, text: &str) {
        for at in 0..text.len() {
            if let Some(uuid) = uuid_at(text, at)
                && !self.0.iter().any(|known| known == uuid)
            {
                self.0.push(uuid.to_owned());
            }
        }
    }

    /// Replaces UUIDs by their numbers, or by `<?>` where they were not learnt.
    fn hide(&self, text: &str) -> String {
        let mut out = String::new();
        let mut at = 0;
        while at < text.len() {
            if let Some(uuid) = uuid_at(text, at) {
                match self.0.iter().position(|known| known == uuid) {
                    Some(number) => out.push_str(&format!("<{}>", number + 1)),
                    None => out.push_str("<?>"),
                }
                at += UUID_LENGTH;
            } else {
                let character = text[at..].chars().next().expect("a character");
                out.push(character);
                at += character.len_utf8();
            }
        }
        for (index, uuid) in self.0.iter().enumerate() {
            out = out.replace(&uuid[..8], &format!("<{}:8>", index + 1));
        }
        out
    }

    fn substitute(&self, word: &str) -> String {
        let Some((before, rest)) = word.split_once("${") else {
            return word.to_owned();
        };
        let (name, after) = rest.split_once('}').expect("a closing brace");
        let (number, digits) = name.split_once(':').unwrap_or((name, "36"));
        let number: usize = number.parse().expect("the number of a UUID");
        let digits: usize = digits.parse().expect("a number of digits");
        let uuid = self.0.get(number - 1).map_or("", String::as_str);
        let uuid = uuid.get(..digits).unwrap_or(uuid);
        format!("{before}{uuid}{}", self.substitute(after))
    }
}

fn uuid_at(text: &str, at: usize) -> Option<&str> {
    let candidate = text.get(at..at + UUID_LENGTH)?;
    (candidate.as_bytes()[8] == b'-' && Uuid::try_parse(candidate).is_ok()).then_some(candidate)
}

/// Warnings lose where and when they were written; those that say an error twice go, and so do hints.
fn normalize_errors(stderr: &str) -> String {
    stderr
        .lines()
        .filter(|line| !line.contains("|ovsdb_idl|WARN|transaction error"))
        .filter(|line| !line.contains("|socket_util|ERR|"))
        .filter(|line| !line.starts_with("  help: "))
        // Which of two equal rows comes first is chance.
        .map(|line| {
            line.split_once("  First row, ")
                .map_or(line, |(head, _)| head)
        })
        .map(|line| match line.split_once("|WARN|") {
            Some((_, warning)) => format!("vsctl: warning: {warning}\n"),
            None => format!("{line}\n"),
        })
        .collect()
}
