"""Runs packets through the policies of the kernel, in a network namespace that holds nothing else.

Each line of the input is one set as JSON: {"batch": "lines for ip -batch", "flows": [{"packet": hex, "flush": bool}, ...]}. Each line of
the output is the answer: what ip said, and for each flow the counters that moved, whether the packet came out of the other
device, and the acquires that were told. Packets go in by one TUN device and leave by another, so all is done when write() returns.
"""
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys

NETLINK_XFRM, XFRM_MSG_FLUSHSA, XFRM_MSG_ACQUIRE, GROUP_ACQUIRE = 6, 0x1C, 0x17, 1
SETTINGS = {
    "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0", "net/ipv6/conf/default/addr_gen_mode": "1",
    "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0", "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/icmp_ratemask": "0",
}
# The mark of a packet is its DSCP.
RULES = """
table inet oracle {
  chain marks {
    type filter hook prerouting priority mangle;
    ip dscp 1 meta mark set 1
    ip dscp 2 meta mark set 2
    ip dscp 3 meta mark set 3
    ip6 dscp 1 meta mark set 1
    ip6 dscp 2 meta mark set 2
    ip6 dscp 3 meta mark set 3
  }
}
"""
NETWORK = """
link set lo up
link set oin multicast off
link set oout multicast off
link set oin up
link set oout up
address add 192.0.2.1/32 dev oout
address add 2001:db8::1/128 dev oout nodad
route add default dev oout
route add ::/0 dev oout
route add local 10.9.0.0/16 dev lo
route add local fd00:9::/32 dev lo
"""


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    # IFF_TUN | IFF_NO_PI
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))
    return fd


def ip_batch(text):
    done = subprocess.run(["ip", "-force", "-batch", "-"], input=text, capture_output=True, text=True)
    return done.stderr.strip()


def counters():
    with open("/proc/net/xfrm_stat") as lines:
        return dict((name, int(value)) for name, value in (line.split() for line in lines))


def drain(read):
    while True:
        try:
            yield read()
        except BlockingIOError:
            return


def addresses(packet):
    return packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]


def acquire_of(message, packet):
    """Policy index, destination, SPI and sequence number of struct xfrm_user_acquire; None for another packet's."""
    body = message[16:]
    daddr, spi, proto = body[0:16], struct.unpack_from(">I", body, 16)[0], body[20]
    selector = body[40:96]
    bits = 4 if packet[0] >> 4 == 4 else 16
    both = addresses(packet)
    # The selector begins with daddr and saddr.
    if selector[0:bits] != both[bits:] or selector[16:16 + bits] != both[:bits]:
        return None
    policy = body[96:264]
    # Behind the selector and the two lifetimes: priority, index.
    priority, index = struct.unpack_from("II", policy, 56 + 64 + 32)
    return {"index": index, "priority": priority, "daddr": daddr.hex(), "spi": spi, "proto": proto}


def main():
    for path, value in SETTINGS.items():
        with open("/proc/sys/" + path, "w") as setting:
            setting.write(value)
    inner, outer = tun("oin"), tun("oout")
    for line in (ip_batch(NETWORK), subprocess.run(["nft", "-f", "-"], input=RULES, capture_output=True, text=True).stderr):
        if line:
            sys.exit(line)
    command = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    monitor.bind((0, 1 << (GROUP_ACQUIRE - 1)))
    monitor.setblocking(False)
    # NLM_F_REQUEST | NLM_F_ACK, proto 255: all.
    flush = struct.pack("IHHIIB3x", 20, XFRM_MSG_FLUSHSA, 5, 0, 0, 255)
    for line in sys.stdin:
        job = json.loads(line)
        said = ip_batch("xfrm policy flush\nxfrm policy flush ptype sub\n" + job["batch"])
        answers = []
        for flow in job["flows"]:
            if flow["flush"]:
                command.send(flush)
                command.recv(4096)
            for _ in drain(lambda: os.read(outer, 65536)):
                pass
            for _ in drain(lambda: monitor.recv(65536)):
                pass
            packet = bytes.fromhex(flow["packet"])
            before = counters()
            os.write(inner, packet)
            after = counters()
            passed = any(addresses(out) == addresses(packet) for out in drain(lambda: os.read(outer, 65536)))
            told = [acquire_of(message, packet) for message in drain(lambda: monitor.recv(65536))]
            moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
            answers.append({"moved": moved, "passed": passed, "acquires": [one for one in told if one]})
        print(json.dumps({"said": said, "answers": answers}), flush=True)


main()
