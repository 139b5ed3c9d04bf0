"""What a cluster needs of the host's network; `local.machine` sets it up and takes it away.

A veth pair into the machine's network namespace (it vanishes with the namespace), and one nftables table of the
project's own: it masquerades what leaves the machine, so that pods reach model providers, and since the host
forwards from then on, it lets nobody but the host itself open connections into the machine. Nothing of the host's
own rules is touched; a host that drops forwarded traffic keeps its pods offline, which local work survives.
"""

import ipaddress
import json
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from local.steps import run, wait_until

ADVICE = "See `ip addr` and `nft list ruleset`; `python -m local down` removes what a killed cluster left."
_LINKS = ipaddress.IPv4Network("198.18.0.0/15")
"""Reserved for benchmarks of network devices (RFC 2544): no host has a route to it that matters."""


@dataclass(frozen=True)
class Link:
    """The addresses and names of one cluster's connection to the host."""

    device: str
    peer: str
    host: str
    node: str
    subnet: str
    table: str


def link(name: str) -> Link:
    """The link of the cluster `name`: the same every time, different for different names."""
    key = zlib.crc32(name.encode())
    subnet = list(_LINKS.subnets(new_prefix=24))[key % 512]
    return Link(
        device=f"aglh{key:08x}",
        peer=f"aglm{key:08x}",
        host=str(subnet[1]),
        node=str(subnet[2]),
        subnet=str(subnet),
        table=f"agentos_local_{key:08x}",
    )


def load_modules() -> None:
    """Ask for what a pod network needs; a kernel that has it built in answers with an error that means nothing."""
    for module in ("overlay", "br_netfilter", "nf_conntrack", "veth"):
        subprocess.run(["modprobe", "--quiet", module], capture_output=True, check=False)


def connect(link: Link, init: int) -> None:
    """Put one end of a veth pair into the namespaces of `init`, and let traffic of the machine out."""
    disconnect(link)
    ip = ["ip", "link"]
    run(
        [*ip, "add", link.device, "type", "veth", "peer", "name", link.peer, "netns", str(init)],
        advice=ADVICE,
    )
    run(["ip", "addr", "add", f"{link.host}/24", "dev", link.device], advice=ADVICE)
    run([*ip, "set", link.device, "up"], advice=ADVICE)
    # Forwarding is off on a host that never routed; this is the one host-wide setting that `up` changes.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    run(["nft", "-f", "-"], stdin=_rules(link), advice=ADVICE)


def disconnect(link: Link) -> None:
    """Remove the host's end and the table, whether or not they are there."""

    def gone() -> bool:
        # The kernel removes the pair by itself, some time after the namespace's last process: both may win.
        subprocess.run(["ip", "link", "delete", link.device], capture_output=True, check=False)
        return all(device["ifname"] != link.device for device in json.loads(run(["ip", "-j", "link"], advice=ADVICE)))

    wait_until(gone, what=f"the removal of {link.device}", timeout=20, advice=ADVICE)
    run(["nft", "-f", "-"], stdin=f"table ip {link.table}\ndelete table ip {link.table}\n", advice=ADVICE)


def _rules(link: Link) -> str:
    return f"""
table ip {link.table}
delete table ip {link.table}
table ip {link.table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {link.subnet} oifname != "{link.device}" masquerade
  }}
  chain forward {{
    type filter hook forward priority filter;
    oifname "{link.device}" ct state new drop
  }}
}}
"""


def name_servers() -> list[str]:
    """The host's name servers that can be reached from another network namespace.

    A loopback address is a resolver on this host; the real servers then stand in systemd-resolved's own file.
    """
    servers: list[str] = []
    for file in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        lines = file.read_text().splitlines() if file.exists() else []
        found = [line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1]
        servers += [server for server in found if not ipaddress.ip_address(server.split("%")[0]).is_loopback]
    return list(dict.fromkeys(servers))[:3]
