//! The commands of `ovn-nbctl` about features that this version does not carry out. They are known, so that
//! a script that needs them is told so.

use crate::command::{Command, CommandOption, Group};

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Commands of ovn-nbctl that are not supported",
    commands: &[
        Command::unsupported("mirror-add"),
        Command::unsupported("mirror-del"),
        Command::unsupported("mirror-list"),
        Command::unsupported("lsp-set-dhcpv4-options"),
        Command::unsupported("lsp-get-dhcpv4-options"),
        Command::unsupported("lsp-set-dhcpv6-options"),
        Command::unsupported("lsp-get-dhcpv6-options"),
        Command::unsupported("lsp-attach-mirror"),
        Command::unsupported("lsp-detach-mirror"),
        Command::unsupported("fwd-group-add").options(&[CommandOption::flag("--liveness", "")]),
        Command::unsupported("fwd-group-del"),
        Command::unsupported("fwd-group-list"),
        Command::unsupported("lr-policy-add"),
        Command::unsupported("lr-policy-del"),
        Command::unsupported("lr-policy-list"),
        Command::unsupported("dhcp-options-create"),
        Command::unsupported("dhcp-options-del"),
        Command::unsupported("dhcp-options-list"),
        Command::unsupported("dhcp-options-set-options"),
        Command::unsupported("dhcp-options-get-options"),
        Command::unsupported("copp-add"),
        Command::unsupported("copp-del"),
        Command::unsupported("copp-list"),
        Command::unsupported("ls-copp-add"),
        Command::unsupported("lr-copp-add"),
        Command::unsupported("get-connection"),
        Command::unsupported("del-connection"),
        Command::unsupported("set-connection").options(&[CommandOption::value(
            "--inactivity-probe",
            "ARG",
            "",
        )]),
        Command::unsupported("get-ssl"),
        Command::unsupported("del-ssl"),
        Command::unsupported("set-ssl").options(&[CommandOption::flag("--bootstrap", "")]),
        Command::unsupported("ha-chassis-group-add"),
        Command::unsupported("ha-chassis-group-del"),
        Command::unsupported("ha-chassis-group-list"),
        Command::unsupported("ha-chassis-group-add-chassis"),
        Command::unsupported("ha-chassis-group-remove-chassis"),
        Command::unsupported("ha-chassis-group-set-chassis-prio"),
    ],
};
