"""Configuration of the simulated BMCs: OpenIPMI's ipmi_sim, one for each machine. Pure but for `save_bmc`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from installer.lab.rack import Rack, RackBmc, RackMachine

PORT: Final = 623
# The BMC itself, no sensors, an event log; ids as in OpenIPMI's own example (ipmi_sim_cmd(5)).
EMULATOR: Final = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


def render_lan_conf(machine: RackMachine, bmc: RackBmc, password: str, vm_port: int, folder: Path) -> str:
    """ipmi_sim's configuration (ipmi_lan(5)). It holds the password: for a file of mode 0600 only."""
    auths = "none md2 md5 straight"
    return f"""\
name "{machine.name}"
set_working_mc 0x20
  startlan 1
    addr {bmc.address} {PORT}
    priv_limit admin
    allowed_auths_callback {auths}
    allowed_auths_user {auths}
    allowed_auths_operator {auths}
    allowed_auths_admin {auths}
    guid {machine.uuid.replace("-", "")}
    lan_config_program "{folder}/bmc lan"
  endlan
  chassis_control "{folder}/bmc chassis"
  serial 15 127.0.0.1 {vm_port} codec VM
  startnow false
  user 1 false "" "" user 10 {auths}
  user 2 true "{bmc.user}" "{password}" admin 10 {auths}
"""


def render_control(folder: Path) -> str:
    """The program that ipmi_sim calls for power, boot device and its own address."""
    root = shlex.quote(str(Path(__file__).parents[2]))
    python = shlex.quote(sys.executable)
    return f'#!/bin/sh\nPYTHONPATH={root} exec {python} -S -P -m installer.lab.chassis {shlex.quote(str(folder))} "$@"\n'


def make_lan(rack: Rack, bmc: RackBmc) -> dict[str, str]:
    """What the BMC tells about its own LAN interface, by ipmi_sim's names."""
    tail = ":".join(f"{byte:02x}" for byte in bmc.address.packed)
    return {
        "ip_addr": str(bmc.address),
        "ip_addr_src": "static",
        "mac_addr": f"02:bc:{tail}",
        "subnet_mask": str(rack.admin.netmask),
        "default_gw_ip_addr": str(rack.admin.ip),
    }


def render_bmc_csv(rack: Rack) -> str:
    """What `rackstrap bmc import` and a site's discovery.credentials read; secrets are paths beside it."""
    rows = ["serial,address,user,secret,uefi"]
    for machine in rack.machines:
        if machine.bmc:
            uefi = "no" if machine.firmware == "bios" else "yes"
            rows.append(f"{machine.serial},{machine.bmc.address},{machine.bmc.user},secrets/{machine.name},{uefi}")
    return "\n".join(rows) + "\n"
