//! An HTTP request over a TCP connection, and the status that answers it (RFC 9112 sections 3, 4).

use std::net::SocketAddr;

use smoltcp::socket::tcp;

use super::attempt::opened;
use super::standing::Finding;

/// `HTTP/1.1 200`: the bytes of a status line that are of interest.
const STATUS_LENGTH: usize = 12;

/// A request and what came of its answer so far.
pub(super) struct Exchange {
    /// The request, until it is sent.
    request: Option<Vec<u8>>,
    answer: [u8; STATUS_LENGTH],
    answer_length: usize,
}

impl Exchange {
    /// The longest request, in bytes.
    pub(super) const REQUEST_MAX: usize = 1_024;

    /// A GET of `path`; `None` if it is no path or too long.
    pub(super) fn new(path: &str, server: SocketAddr) -> Option<Exchange> {
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: weft\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        (is_path && request.len() <= Self::REQUEST_MAX).then(|| Exchange {
            request: Some(request.into_bytes()),
            answer: [0; STATUS_LENGTH],
            answer_length: 0,
        })
    }

    /// Goes on as far as the connection allows.
    pub(super) fn work(&mut self, socket: &mut tcp::Socket<'_>) -> Option<Finding> {
        if self.request.is_some() {
            if !socket.may_send() {
                return opened(socket, || Finding::Closed);
            }
            if let Some(request) = self.request.take() {
                // The buffer is empty and takes all of it.
                socket.send_slice(&request).ok()?;
            }
        }
        while self.answer_length < STATUS_LENGTH && socket.can_recv() {
            let rest = &mut self.answer[self.answer_length..];
            self.answer_length += socket.recv_slice(rest).ok()?;
        }
        match status(&self.answer[..self.answer_length]) {
            Answer::Status(status) => Some(Finding::Answered(status)),
            Answer::NotHttp => Some(Finding::NotHttp),
            Answer::Incomplete => (!socket.may_recv()).then_some(Finding::Closed),
        }
    }
}

/// What the begin of an answer says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Incomplete,
    Status(u16),
    NotHttp,
}

fn status(answer: &[u8]) -> Answer {
    const PATTERN: &[u8; STATUS_LENGTH] = b"HTTP/1.# ###";
    let fits = |(byte, pattern): (&u8, &u8)| match pattern {
        b'#' => byte.is_ascii_digit(),
        literal => byte == literal,
    };
    if !answer.iter().zip(PATTERN).all(fits) {
        return Answer::NotHttp;
    }
    if answer.len() < STATUS_LENGTH {
        return Answer::Incomplete;
    }
    let digits = answer[STATUS_LENGTH - 3..].iter();
    Answer::Status(digits.fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_as_soon_as_it_is_there() {
        for (answer, expected) in [
            ("", Answer::Incomplete),
            ("HTTP/1.1 20", Answer::Incomplete),
            ("HTTP/1.1 204", Answer::Status(204)),
            ("HTTP/1.0 503", Answer::Status(503)),
            ("HTTP/2.0 200", Answer::NotHttp),
            ("HTTP/1.1 2x", Answer::NotHttp),
            ("SSH-2", Answer::NotHttp),
        ] {
            assert_eq!(status(answer.as_bytes()), expected, "{answer}");
        }
    }

    #[test]
    fn only_a_path_is_asked_for() {
        let server = SocketAddr::from(([10, 0, 0, 1], 80));
        for (path, is_path) in [
            ("/", true),
            ("/healthz?deep=1", true),
            ("healthz", false),
            ("/a b", false),
            ("/\r\nHost: elsewhere", false),
        ] {
            assert_eq!(Exchange::new(path, server).is_some(), is_path, "{path:?}");
        }
        let long = format!("/{}", "a".repeat(Exchange::REQUEST_MAX));
        assert!(Exchange::new(&long, server).is_none());
    }
}
