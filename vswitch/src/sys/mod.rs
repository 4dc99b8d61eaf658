//! The operating system: TAP devices, batched UDP, waiting. The only raw system calls of the data path.

#![expect(
    unsafe_code,
    reason = "ioctls on TAP devices and batched socket calls have no safe form"
)]

pub mod basic_tap;
pub mod poll;
pub mod processor;
pub mod ring;
pub mod tap;
pub mod udp;
pub mod virtio;
