//! Sorting packets into runs that can be merged.

use arrayvec::ArrayVec;

use super::TransportSum;
use super::merge::{MAX_MERGED, Part, Run};

/// Packets sorted into runs, by their indexes.
#[derive(Debug, Default)]
pub struct Groups {
    groups: ArrayVec<Group, MAX_MERGED>,
    /// The group of each packet.
    of: ArrayVec<u8, MAX_MERGED>,
}

/// A run of packets, or one packet that stays alone.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The index of its first packet.
    pub first: usize,
    /// What to make of its packets; `None` for one that could not be part of a super-packet.
    pub run: Option<Run>,
    is_open: bool,
}

/// A packet to be sorted.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The frame, with the prefix.
    pub frame: &'a [u8],
    /// Bytes before the Ethernet header: equal in all packets of a run.
    pub prefix: usize,
    /// What its checksum field holds.
    pub sum: TransportSum,
}

impl Groups {
    /// Sorts packets, of which only the first [`MAX_MERGED`] are looked at. Packets of one flow stay in their order: a
    /// run ends where a packet of its flow does not continue it, and where one is of no flow that could be told.
    pub fn sort(packets: &[Packet<'_>]) -> Groups {
        let mut groups = Groups::default();
        for (index, packet) in packets.iter().take(MAX_MERGED).enumerate() {
            let group = match Part::of(packet.frame, packet.prefix, packet.sum) {
                Some(part) => groups.place(packets, index, part),
                None => {
                    groups
                        .groups
                        .iter_mut()
                        .for_each(|group| group.is_open = false);
                    groups.open(index, None)
                }
            };
            groups.of.push(group as u8);
        }
        groups
    }

    /// The run that a packet joins, or a new one.
    fn place(&mut self, packets: &[Packet<'_>], index: usize, part: Part) -> usize {
        let packet = &packets[index];
        for (number, group) in self.groups.iter_mut().enumerate().rev() {
            let Some(run) = group.run.as_mut().filter(|_| group.is_open) else {
                continue;
            };
            let first = &packets[group.first];
            if !run.is_of_flow(first.frame, packet.frame, &part) {
                continue;
            }
            if first.sum == packet.sum && run.join(first.frame, packet.frame, &part) {
                return number;
            }
            group.is_open = false;
            break;
        }
        self.open(index, Some(Run::new(part)))
    }

    fn open(&mut self, first: usize, run: Option<Run>) -> usize {
        let is_open = run.is_some();
        self.groups.push(Group {
            first,
            run,
            is_open,
        });
        self.groups.len() - 1
    }

    /// The groups in the order of their first packets, each with the indexes of its packets in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Group, impl Iterator<Item = usize> + Clone)> {
        self.groups.iter().enumerate().map(|(number, group)| {
            let members = self.of.iter().enumerate();
            let is_member =
                move |(index, of): (usize, &u8)| (usize::from(*of) == number).then_some(index);
            (group, members.filter_map(is_member))
        })
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True if there were no packets.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
