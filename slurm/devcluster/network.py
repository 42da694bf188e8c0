"""Addresses that nothing on this machine uses, and the network between the hosts.

It is a bridge on the controller's host with one cable to every node and one to this machine.
"""

import ipaddress
import json
import subprocess
import zlib
from pathlib import Path

from hosts import CONTROLLER, NODES, DevclusterError, Hosts, run, wait_until


def free_addresses() -> dict[str, str]:
    """Host -> address in the first free network of 10.213.0.0/24, 10.213.1.0/24, ....

    Free means that no address and no route of this machine uses it. .1 is this machine (`login`),
    .2 the controller, .11 to .14 the nodes. Raises DevclusterError if all are taken.
    """
    routes = json.loads(run("ip", "-j", "-4", "route", "show", "table", "all"))
    taken = [
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in routes
        if route["dst"] != "default"
    ]
    for third in range(256):
        subnet = ipaddress.IPv4Network(f"10.213.{third}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            numbers = {"login": 1, CONTROLLER: 2} | {
                node: 10 + i for i, node in enumerate(NODES, start=1)
            }
            return {host: str(subnet[number]) for host, number in numbers.items()}
    raise DevclusterError("no free network among 10.213.0.0/24 ... 10.213.255.0/24")


def connect(hosts: Hosts, address: dict[str, str]) -> None:
    """Connect the hosts.

    The bridge is in the controller's network, so that this machine's firewall does not affect it.
    """
    names = hosts.folder / "hosts"
    names.write_text(
        "127.0.0.1 localhost\n::1 localhost\n"
        + "".join(f"{ip} {host}\n" for host, ip in address.items())
    )
    for host in (CONTROLLER, *NODES):
        # Only this host sees it; the machine's own /etc/hosts does not change.
        hosts.inside(host, "mount", "--bind", str(names), "/etc/hosts")
        _ip(hosts, host, "link set lo up")
    _ip(
        hosts,
        CONTROLLER,
        "link add br0 type bridge forward_delay 0",
        f"addr add {address[CONTROLLER]}/24 dev br0",
        "link set br0 up",
    )
    for node in NODES:
        _ip(
            hosts,
            CONTROLLER,
            f"link add {node} type veth peer name eth0 netns {hosts.pid(node)}",
            f"link set {node} master br0 up",
        )
        _ip(hosts, node, f"addr add {address[node]}/24 dev eth0", "link set eth0 up")
    link = _login_link(hosts.folder)
    run(
        "ip",
        "link",
        "add",
        link,
        "type",
        "veth",
        "peer",
        "name",
        "login",
        "netns",
        str(hosts.pid(CONTROLLER)),
    )
    run("ip", "addr", "add", f"{address['login']}/24", "dev", link)
    run("ip", "link", "set", link, "up")
    _ip(hosts, CONTROLLER, "link set login master br0 up")


def disconnect(hosts: Hosts) -> None:
    """Wait until this machine's end of its cable is gone; all others end with the hosts."""
    link = _login_link(hosts.folder)
    if _exists(link):
        # It may disappear by itself at this moment.
        subprocess.run(["ip", "link", "delete", link], stderr=subprocess.DEVNULL, check=False)
    wait_until(lambda: not _exists(link), 10, f"the network device {link} to go")


def cut(hosts: Hosts, node: str) -> None:
    """Cut the network of a node: it keeps running, but nobody can reach it."""
    _ip(hosts, CONTROLLER, f"link set {node} down")


def heal(hosts: Hosts, node: str) -> None:
    """Restore the network of a node."""
    _ip(hosts, CONTROLLER, f"link set {node} up")


def is_cut(hosts: Hosts, node: str) -> bool:
    """Whether the node's network is cut."""
    return (
        "UP"
        not in json.loads(hosts.inside(CONTROLLER, "ip", "-j", "link", "show", node))[0]["flags"]
    )


def _login_link(folder: Path) -> str:
    # At most 15 characters, one per cluster, and computed, so that nothing needs to be stored.
    return f"devc{zlib.crc32(str(folder).encode()):08x}"


def _exists(link: str) -> bool:
    return Path("/sys/class/net", link).exists()


def _ip(hosts: Hosts, host: str, *commands: str) -> None:
    # Only the network namespace of the host, so that process ids mean the same as here.
    run(
        "nsenter",
        "-t",
        str(hosts.pid(host)),
        "-n",
        "--",
        "ip",
        "-batch",
        "-",
        text="\n".join(commands) + "\n",
    )
