//! Every door by which bytes come in, against the corpora of `fuzz/` and against what chance makes of them.
//!
//! Input: the committed corpus of each door, and a fixed number of random and mutated inputs from a fixed
//! seed. Output: nothing; an input that breaks a door is printed in hexadecimal, and belongs in the corpus.

#[allow(unreachable_pub, reason = "elsewhere the same file is a library")]
#[path = "../../fuzz/src/lib.rs"]
mod doors;

use std::fs;
use std::path::{Path, PathBuf};

/// The longest input that is all chance, in bytes.
const MAX_RANDOM_LENGTH: usize = 200;
/// The most changes to one input of the corpus.
const MAX_MUTATIONS: usize = 6;

fn corpus(door: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(door);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A xorshift generator (Marsaglia 2003): the same inputs in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'/', b':'];
        match self.below(2) {
            0 => TELLING[self.below(TELLING.len())],
            _ => self.next() as u8,
        }
    }

    fn random(&mut self) -> Vec<u8> {
        let length = self.below(MAX_RANDOM_LENGTH);
        (0..length).map(|_| self.byte()).collect()
    }

    /// One of the corpus, changed in a few places.
    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(MAX_MUTATIONS) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.insert(at, self.byte()),
                1 => bytes.truncate(at),
                2 => {
                    let other = &corpus[self.below(corpus.len())];
                    bytes.truncate(at);
                    bytes.extend(&other[self.below(other.len())..]);
                }
                _ if at == bytes.len() => {}
                3 => bytes[at] ^= 1 << self.below(8),
                _ => bytes[at] = self.byte(),
            }
        }
        bytes
    }
}

/// Prints the input if the door breaks.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex: String = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("the door {:?} breaks on {hex}", self.0);
        }
    }
}

#[test]
fn no_input_breaks_a_door() {
    for (name, door, inputs) in doors::DOORS {
        let enter = |bytes: &[u8]| {
            let _shown = Shown(name, bytes);
            door(bytes);
        };
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has a corpus");
        corpus.iter().for_each(|bytes| enter(bytes));
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for index in 0..inputs {
            match index % 4 {
                0 => enter(&chance.random()),
                _ => enter(&chance.mutated(&corpus)),
            }
        }
    }
}
