//! Scripts of commands, and what carries them out.
//!
//! A script is a file of lines. Each line is a command line without the program's name, with words quoted as
//! in a shell. Empty lines and lines that begin with `#` say nothing. A line may begin with directives:
//! `sort` (the lines of its output have no order), `blocks` (the blocks between empty lines, and the lines
//! at the edge with what is indented under them, have no order), `differs` (what comes out differs from OVN, for
//! the reason given in a comment) and `reported` (a running northd has its part in what comes out). `${N}` in a
//! word is the N-th UUID that was printed so far, and `${N:D}` its first D digits.

#![allow(dead_code)]

pub(crate) mod fake;
pub(crate) mod memory;
pub(crate) mod ovn;
pub(crate) mod script;
pub(crate) mod served;
