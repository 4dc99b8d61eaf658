//! TAP devices as ports. Input: frames that a pod sends in bursts, one by one and many by one system call. Output: the same
//! frames, byte for byte and in order, at the port, and again at the pod when the port sends them back.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use ground::frames::Frames;
use ground::link;
use ground::namespace::Namespace;
use pipeline::DropReason;
use tests::story::tell;
use vswitch::buffer::Pool;
use vswitch::port::{BATCH, Batch, Frame, Io, Port, TapBackend, Taps, Transfer};

const SOON: Duration = Duration::from_secs(3);
const INTERFACE: &str = "eth0";
/// An EtherType for experiments (IEEE 802), which nobody else sends here.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
/// Buffers of each size.
const BUFFERS: (usize, usize) = (200, 100);

/// A port, and the interface at its other end.
struct Line {
    namespace: Namespace,
    port: Box<dyn Port>,
    frames: Frames,
    pool: Pool,
}

impl Line {
    fn lay(transfer: Transfer, name: &str) -> Result<Line> {
        let namespace = Namespace::new(name)?;
        let file = File::open(namespace.path())?;
        let taps = Taps {
            backend: TapBackend::Multiqueue,
            transfer,
        };
        let port = taps.open(Some(file.as_fd()), INTERFACE, 1)?.remove(0);
        namespace.run(|| -> Result<()> {
            link::set_mtu(INTERFACE, 60_000)?;
            link::up(INTERFACE)
        })?;
        Ok(Line {
            frames: Frames::open(&namespace, INTERFACE)?,
            namespace,
            port,
            pool: Pool::new(BUFFERS.0, BUFFERS.1),
        })
    }

    /// All that the test has made the pod send, and why frames were lost.
    fn receive(&mut self) -> Result<(Vec<Frame>, Vec<DropReason>)> {
        let (mut frames, mut refused) = (Vec::new(), Vec::new());
        loop {
            let mut batch = Batch::default();
            self.port.receive(&mut self.pool, &mut batch)?;
            assert!(batch.frames.len() <= BATCH);
            if batch.frames.is_empty() && batch.refused.is_empty() {
                return Ok((frames, refused));
            }
            for frame in batch.frames {
                match is_ours(frame.packet.bytes()) {
                    true => frames.push(frame),
                    // The kernel sends some of its own.
                    false => self.pool.give(frame.packet),
                }
            }
            refused.append(&mut batch.refused);
        }
    }

    fn transmit(&mut self, mut frames: Vec<Frame>) -> Vec<Result<(), DropReason>> {
        let mut fates = Vec::new();
        let pool = &mut self.pool;
        self.port.transmit(&mut frames, &mut |frame, fate| {
            fates.push(fate);
            pool.give(frame.packet);
        });
        assert!(frames.is_empty());
        fates
    }

    /// Has the pod send frames of these lengths, and the port send them back.
    fn reflect(&mut self, lengths: &[usize]) -> Result<()> {
        let sent: Vec<Vec<u8>> = lengths.iter().zip(1..).map(frame).collect();
        for frame in &sent {
            self.frames.send(frame)?;
        }
        let (frames, refused) = self.receive()?;
        let received: Vec<&[u8]> = frames.iter().map(|frame| frame.packet.bytes()).collect();
        assert_eq!(
            (received, refused),
            (sent.iter().map(Vec::as_slice).collect(), vec![])
        );
        assert_eq!(self.transmit(frames), vec![Ok(()); sent.len()]);
        for expected in &sent {
            let back = self.frames.find(SOON, is_ours)?;
            assert!(back.as_ref() == Some(expected), "frame {}", expected[5]);
        }
        Ok(())
    }
}

/// A frame of which every byte says which it is and where it stands.
fn frame((length, number): (&usize, u8)) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..*length)
        .map(|at| (at as u8).wrapping_mul(number))
        .collect();
    bytes[..6].copy_from_slice(&[2, 0, 0, 0, 0, number]);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 1, number]);
    bytes[12..14].copy_from_slice(&ETHERTYPE);
    bytes
}

fn is_ours(frame: &[u8]) -> bool {
    frame[12..14] == ETHERTYPE
}

fn check_bursts(transfer: Transfer) -> Result<()> {
    let mut line = Line::lay(transfer, "pod")?;
    let mut mixed = vec![60; 100];
    for (at, length) in [
        (3, 2_049),
        (10, 50_000),
        (30, 2_048),
        (31, 3_000),
        (77, 1_514),
    ] {
        mixed[at] = length;
    }
    for lengths in [
        vec![60],
        vec![60; 2],
        vec![60; 5],
        vec![1_514; BATCH],
        vec![60; BATCH + 1],
        vec![20_000; 8],
        mixed,
    ] {
        line.reflect(&lengths)?;
        assert_eq!(line.pool.free(), BUFFERS);
    }
    Ok(())
}

/// With fewer small buffers than frames, and fewer large ones.
fn check_want(transfer: Transfer) -> Result<()> {
    for (buffers, lengths, most) in [
        ((10, 100), [60; 40], 10),
        ((100, 0), [3_000; 40], 0),
        ((100, 5), [3_000; 40], 5),
    ] {
        let mut line = Line::lay(transfer, &format!("pod{}-{}", buffers.0, buffers.1))?;
        for frame in lengths.iter().zip(1..).map(frame) {
            line.frames.send(&frame)?;
        }
        line.pool = Pool::new(buffers.0, buffers.1);
        let (frames, refused) = line.receive()?;
        // Frames of the kernel's own may have taken some.
        assert!(frames.len() <= most, "{} frames", frames.len());
        let lost = refused.into_iter();
        let lost = lost.filter(|reason| *reason == DropReason::NoBuffer);
        assert!(frames.len() + lost.count() >= lengths.len());
        line.transmit(frames);
        assert_eq!(line.pool.free(), buffers);
    }
    Ok(())
}

/// With an interface that is down, and one that is gone.
fn check_loss(transfer: Transfer) -> Result<()> {
    let mut line = Line::lay(transfer, "pod")?;
    let copies = |line: &mut Line| -> Vec<Frame> {
        let copy = |number| line.pool.copy(&frame((&60, number)));
        let packets = (1..=20).filter_map(copy);
        packets
            .map(|packet| Frame {
                packet,
                outer: None,
            })
            .collect()
    };
    let frames = copies(&mut line);
    line.namespace.run(|| link::down(INTERFACE))?;
    assert_eq!(line.transmit(frames), [Err(DropReason::OutputFailed); 20]);
    line.receive()?;

    let frames = copies(&mut line);
    let mut delete = Command::new("ip");
    line.namespace
        .output(delete.args(["link", "del", INTERFACE]))?;
    assert_eq!(line.transmit(frames), [Err(DropReason::OutputFailed); 20]);
    assert!(line.receive().is_err());
    assert_eq!(line.pool.free(), BUFFERS);
    Ok(())
}

#[test]
fn frames_pass_a_port_one_by_one_as_they_are() {
    tell(|| check_bursts(Io::Epoll.transfer()?));
}

#[test]
fn frames_pass_a_port_many_at_a_time_as_they_are() {
    tell(|| check_bursts(Io::IoUring.transfer()?));
}

#[test]
fn frames_that_find_no_buffer_are_lost_one_by_one() {
    tell(|| check_want(Transfer::Single));
}

#[test]
fn frames_that_find_no_buffer_are_lost_many_at_a_time() {
    tell(|| check_want(Transfer::Many));
}

#[test]
fn a_port_says_that_its_interface_is_gone() {
    tell(|| check_loss(Transfer::Single));
}

#[test]
fn a_port_that_moves_many_at_a_time_says_that_its_interface_is_gone() {
    tell(|| check_loss(Transfer::Many));
}
