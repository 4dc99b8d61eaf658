#!/bin/sh
# On the network of two-nodes.sh: a service over pods of both nodes, and a policy that guards some of them.
set -eu

# One stable address for three pods. It is in no network: the switches of its clients turn it into a backend's.
vsctl lb-add web "10.96.0.80:80" "10.0.1.12:8080,10.0.2.11:8080,10.0.2.12:8080" tcp
vsctl lb-add web "[fd00:96::80]:80" "[fd00:1::c]:8080,[fd00:2::b]:8080,[fd00:2::c]:8080" tcp
vsctl ls-lb-add blue web -- ls-lb-add green web

# The pods of the switch green are guarded: nothing reaches them ...
vsctl pg-add guarded green-1 green-2
vsctl --name=default-deny acl-add guarded to-lport 1000 'outport == @guarded && ip' drop

# ... except pings, and what trusted clients ask of the web server ...
vsctl create Address_Set name=trusted addresses='"10.0.1.11","fd00:1::b"'
vsctl --name=pings acl-add guarded to-lport 1001 'outport == @guarded && icmp' allow-related
vsctl --name=trusted acl-add guarded to-lport 1001 \
    'outport == @guarded && (ip4.src == $trusted || ip6.src == $trusted) && tcp.dst == 8080' allow-related

# ... and who tries SSH is told at once, not left waiting.
vsctl --name=no-ssh acl-add guarded to-lport 1001 'outport == @guarded && tcp.dst == 22' reject
