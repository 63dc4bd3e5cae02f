"""An independent reading and writing of RFC 9329 streams: for each line of input, one line of output.

"pack" and the messages in hexadecimal ("i:..." IKE, "e:..." ESP) give the stream of a TCP originator;
"unpack" and a stream give its messages in the same form, then "ok", "partial" or why it is wrong.
"""
import struct
import sys


def pack(words):
    out = b"IKETCP"
    for word in words:
        kind, body = word[0], bytes.fromhex(word[2:])
        if kind == "i":
            body = struct.pack("!I", 0) + body
        out += struct.pack("!H", len(body) + 2) + body
    return out.hex()


def unpack(stream):
    if not b"IKETCP".startswith(stream[:6]):
        return ["prefix"]
    if len(stream) < 6:
        return ["partial"]
    found = []
    rest = stream[6:]
    while rest:
        if len(rest) < 2:
            return found + ["partial"]
        (length,) = struct.unpack("!H", rest[:2])
        if length < 2:
            return found + ["length"]
        if len(rest) < length:
            return found + ["partial"]
        body, rest = rest[2:length], rest[length:]
        is_ike = len(body) > 4 and body[:4] == bytes(4)
        found.append("i:" + body[4:].hex() if is_ike else "e:" + body.hex())
    return found + ["ok"]


for line in sys.stdin:
    verb, *words = line.split()
    if verb == "pack":
        print(pack(words))
    else:
        print(" ".join(unpack(bytes.fromhex(words[0] if words else ""))))
