//! The ground itself: what the other stories stand on must hold before they do.

use std::time::Duration;

use ground::frames::Frames;
use ground::namespace::Namespace;
use ground::network::{Network, Underlay};
use ground::{link, probe};
use tests::story::tell;

const SOON: Duration = Duration::from_secs(3);

#[test]
fn a_sandbox_has_no_interface_of_the_machine() {
    tell(|| {
        let names: Vec<_> = nix::net::if_::if_nameindex()?
            .iter()
            .map(|link| link.name().to_owned())
            .collect();
        assert_eq!(names, [c"lo".to_owned()]);
        Ok(())
    });
}

#[test]
fn nodes_reach_each_other_over_either_underlay() {
    tell(|| {
        let network = Network::lay(Underlay::V6, &["a", "b"])?;
        let [a, b] = network.nodes() else {
            panic!("two nodes were laid")
        };
        assert!(a.namespace.run(|| probe::reaches(b.encap_ip, SOON))?);
        probe::tcp_exchange(&b.namespace, &a.namespace, a.encap_ip, SOON)?;
        assert!(probe::udp_arrives(
            &a.namespace,
            &b.namespace,
            b.encap_ip,
            b"datagram",
            SOON
        )?);
        Ok(())
    });
}

#[test]
fn frames_are_captured_where_they_arrive_and_not_where_they_were_sent() {
    tell(|| {
        let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
        left.run(|| link::add_cable("cable", &right, "cable"))?;
        let (sender, receiver) = (
            Frames::open(&left, "cable")?,
            Frames::open(&right, "cable")?,
        );
        let mut frame = vec![0xff; 6];
        frame.extend(sender.mac());
        frame.extend([0x88, 0xb5]);
        frame.extend([0x2a; 50]);
        sender.send(&frame)?;
        assert_eq!(
            receiver.find(SOON, |seen| *seen == frame)?,
            Some(frame.clone())
        );
        assert_eq!(
            sender.find(Duration::from_millis(50), |seen| *seen == frame)?,
            None
        );
        Ok(())
    });
}
