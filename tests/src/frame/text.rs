//! The line that says what a frame is, read and written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::{End, Frame, OPTIONS};

impl FromStr for End {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, port: None });
        }
        let address: SocketAddr = text
            .parse()
            .with_context(|| format!("{text:?} is no address"))?;
        Ok(Self {
            ip: address.ip(),
            port: Some(address.port()),
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.ip) {
            (None, ip) => write!(f, "{ip}"),
            (Some(port), IpAddr::V4(ip)) => write!(f, "{ip}:{port}"),
            (Some(port), IpAddr::V6(ip)) => write!(f, "[{ip}]:{port}"),
        }
    }
}

impl FromStr for Frame {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (text, about) = match text.split_once('{') {
            Some((before, rest)) => {
                let (inner, after) = rest.rsplit_once('}').context("a { has no }")?;
                let about = Frame::from_str(inner)?;
                (format!("{before} {after}"), Some(Box::new(about)))
            }
            None => (text.to_owned(), None),
        };
        let (text, payload) = match text.split_once('"') {
            Some((before, rest)) => {
                let (payload, after) = rest.split_once('"').context("a \" has no second")?;
                (format!("{before} {after}"), payload.to_owned())
            }
            None => (text, String::new()),
        };
        let mut words = text.split_whitespace();
        let kind = words.next().context("a frame has a kind")?.to_owned();
        let mut frame = Self {
            kind,
            stations: None,
            ends: None,
            verb: String::new(),
            options: Default::default(),
            bytes: None,
            payload,
            about,
        };
        while let Some(word) = words.next() {
            frame.take(word, &mut words)?;
        }
        Ok(frame)
    }
}

impl Frame {
    /// Takes in a word, with those that belong to it.
    fn take<'a>(&mut self, word: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<()> {
        let mut value = || words.next().with_context(|| format!("{word} of what?"));
        if let Some((from, to)) = word.split_once('>') {
            match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) => self.ends = Some((from, to)),
                _ if self.stations.is_none() => {
                    self.stations = Some((from.to_owned(), to.to_owned()))
                }
                _ => bail!("{word:?} is not from somewhere to somewhere"),
            }
        } else if word == "bytes" {
            let (start, end) = value()?.split_once("..").context("bytes from .. to")?;
            self.bytes = Some(start.parse()?..end.parse()?);
        } else if OPTIONS.iter().any(|(name, _)| *name == word) {
            let value = value()?;
            self.set(word, value);
        } else if self.verb.is_empty() {
            self.verb = word.to_owned();
            if ["solicit", "advertise"].contains(&word) {
                self.verb = format!("{word} {}", value()?);
            }
        } else {
            bail!("{word:?} means nothing after {:?}", self.verb);
        }
        Ok(())
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some((from, to)) = &self.stations {
            write!(f, " {from}>{to}")?;
        }
        if let Some((from, to)) = &self.ends {
            write!(f, " {from}>{to}")?;
        }
        if !self.verb.is_empty() {
            write!(f, " {}", self.verb)?;
        }
        for (name, _) in OPTIONS {
            if let Some(value) = self.options.get(name) {
                write!(f, " {name} {value}")?;
            }
        }
        if let Some(bytes) = &self.bytes {
            write!(f, " bytes {}..{}", bytes.start, bytes.end)?;
        }
        if !self.payload.is_empty() {
            write!(f, " \"{}\"", self.payload)?;
        }
        if let Some(about) = &self.about {
            write!(f, " {{{about}}}")?;
        }
        Ok(())
    }
}
