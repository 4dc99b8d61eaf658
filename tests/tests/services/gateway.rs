//! Services for clients outside: virtual addresses of a gateway router, which lives on node `a`. The client is on the
//! other node, so that everything crosses the underlay.

use anyhow::Result;
use tests::ask;
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{BACKENDS, change, to, web};

/// Joins the cluster to a gateway router, and that to a network outside with one client.
const OUTSIDE: &str = r#"
vsctl ls-add join -- ls-add outside -- create Logical_Router name=gateway options:chassis=a
plug() {
    vsctl lrp-add "$2" "$2-$1" "$3" "$4" "$5" -- lsp-add "$1" "$1-$2" -- lsp-set-type "$1-$2" router \
        -- lsp-set-addresses "$1-$2" router -- lsp-set-options "$1-$2" "router-port=$2-$1"
}
plug join cluster 0a:00:00:00:03:01 100.64.0.1/24 fd64::1/64
plug join gateway 0a:00:00:00:03:02 100.64.0.2/24 fd64::2/64
plug outside gateway 0a:00:00:00:04:01 172.18.0.1/24 fd72::1/64
vsctl lsp-add outside client -- lsp-set-addresses client "0a:00:00:00:04:09 172.18.0.9 fd72::9"
vsctl lr-route-add cluster 0.0.0.0/0 100.64.0.2 -- lr-route-add cluster ::/0 fd64::2
vsctl lr-route-add gateway 10.244.0.0/16 100.64.0.1 -- lr-route-add gateway fd00:244::/32 fd64::1
"#;

/// The service's addresses outside.
const OUTSIDE_V4: &str = "172.18.0.100:80";
const OUTSIDE_V6: &str = "[fd72::100]:80";

#[test]
fn clients_outside_are_served_through_a_gateway_router() {
    tell(|| {
        let mut world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        world.network.script(OUTSIDE)?;
        world.attach("b", "client")?;
        web(&world, "tcp", &BACKENDS)?;
        for (inside, outside) in [(crate::VIP_V4, OUTSIDE_V4), (crate::VIP_V6, OUTSIDE_V6)] {
            let behind = world.network.vsctl(&[
                "get",
                "Load_Balancer",
                "web",
                &format!("vips:\"{inside}\""),
            ])?;
            let behind = behind.trim();
            world.change(&format!(
                "set Load_Balancer web vips:\"{outside}\"={behind}"
            ))?;
        }
        world.change("lr-lb-add gateway web")?;
        let from = world.pod("client")?;
        let serves = |seen: [&str; 2]| -> Result<()> {
            for (vip, seen) in [OUTSIDE_V4, OUTSIDE_V6].into_iter().zip(seen) {
                let tally = ask::times(60, from, to(vip), PATIENCE);
                assert_eq!(
                    (tally.backends(), tally.failures.len()),
                    (BACKENDS.to_vec(), 0)
                );
                let answer = from.namespace.run(|| ask::once(to(vip), PATIENCE))?;
                assert_eq!(answer.client, seen.parse::<std::net::IpAddr>()?);
            }
            Ok(())
        };
        serves(["172.18.0.9", "fd72::9"])?;
        // What leaves the gateway router for a backend has the router's own address, so that it comes back there.
        world.change("set Logical_Router gateway options:lb_force_snat_ip=router_ip")?;
        serves(["100.64.0.2", "fd64::2"])?;
        world.change("set Load_Balancer web options:skip_snat=true")?;
        serves(["172.18.0.9", "fd72::9"])?;
        // The inner addresses are served on the way through the router too, and other changes reach it.
        change(&world, "tcp", &["b3"])?;
        let tally = ask::times(10, from, to(crate::VIP_V4), PATIENCE);
        assert_eq!((tally.backends(), tally.failures.len()), (vec!["b3"], 0));
        Ok(())
    });
}
