#!/bin/sh
# Three switches and a router. blue and green can talk through the router; red is on its own.
#
#     10.0.1.0/24  fd00:1::/64                    10.0.2.0/24  fd00:2::/64     10.0.3.0/24  fd00:3::/64
#   blue-1  blue-2 ---- blue ---- core ---- green ---- green-1  green-2           red ---- red-1
#
# Where a pod runs is not said here: a port is bound by the node on which `vsctl attach` is called.
set -eu

vsctl ls-add blue
vsctl ls-add green
vsctl ls-add red
vsctl lr-add core

# The router has a port on each switch ...
vsctl lrp-add core core-blue 0a:00:00:00:01:01 10.0.1.1/24 fd00:1::1/64
vsctl lrp-add core core-green 0a:00:00:00:02:01 10.0.2.1/24 fd00:2::1/64

# ... and each switch a port that is plugged into it. Commands joined by `--` are one transaction.
for switch in blue green; do
    vsctl lsp-add "$switch" "$switch-core" \
        -- lsp-set-type "$switch-core" router \
        -- lsp-set-addresses "$switch-core" router \
        -- lsp-set-options "$switch-core" "router-port=core-$switch"
done

# A pod's port: its addresses, and the promise (port security) that it uses no others.
pod() {
    vsctl lsp-add "$1" "$2" \
        -- lsp-set-addresses "$2" "$3" \
        -- lsp-set-port-security "$2" "$3"
}
pod blue  blue-1  "0a:00:00:00:01:0b 10.0.1.11 fd00:1::b"
pod blue  blue-2  "0a:00:00:00:01:0c 10.0.1.12 fd00:1::c"
pod green green-1 "0a:00:00:00:02:0b 10.0.2.11 fd00:2::b"
pod green green-2 "0a:00:00:00:02:0c 10.0.2.12 fd00:2::c"
pod red   red-1   "0a:00:00:00:03:0b 10.0.3.11 fd00:3::b"
