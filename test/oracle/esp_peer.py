"""ESP as Scapy makes and reads it: a job on each line of the standard input, its answer on a line of the standard output, both JSON.

Octets are hexadecimal. A job names the algorithms and keys of an SA, the form of the packet, and what to do:
  open   the ESP packet of the other side, in an outer packet made here; the answer is what was inside
  seal   an inner packet; the answer is the whole outer packet
What Scapy does not have stands here, on the same library below it: short tags of AES-GCM, AES-GMAC, implicit IVs, AES-XCBC, and the
high half of the sequence number in the ICV of a separate integrity transform.
"""
import json
import struct
import sys

import logging

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import (AUTH_ALGOS, CRYPT_ALGOS, ESP, AuthAlgo, CryptAlgo, IPSecIntegrityError,
                                SecurityAssociation, _ESPPlain)
from scapy.packet import Raw


class Aead(CryptAlgo):
    """An AEAD as RFC 4106, RFC 4543 and RFC 8750 have it."""

    def __init__(self, seal, open_, iv_size, salt_size, icv_size, hides=True):
        super().__init__("", cipher=None, mode=None, block_size=1, iv_size=iv_size, salt_size=salt_size)
        self.icv_size = icv_size
        self.is_aead = True
        self.seal, self.open, self.hides = seal, open_, hides

    def _inputs(self, sa, esp, iv, esn_en, esn):
        nonce = sa.crypt_salt + (iv or struct.pack("!LL", esn if esn_en else 0, esp.seq))
        sequence = struct.pack("!LL", esn, esp.seq) if esn_en else struct.pack("!L", esp.seq)
        return nonce, struct.pack("!L", esp.spi) + sequence

    def encrypt(self, sa, esp, key, icv_size=None, esn_en=False, esn=0):
        nonce, aad = self._inputs(sa, esp, esp.iv, esn_en, esn)
        text = esp.data_for_encryption()
        if self.hides:
            sealed = self.seal(key, nonce, text, aad, self.icv_size)
        else:
            sealed = text + self.seal(key, nonce, b"", aad + esp.iv + text, self.icv_size)
        return ESP(spi=esp.spi, seq=esp.seq, data=esp.iv + sealed)

    def decrypt(self, sa, esp, key, icv_size=None, esn_en=False, esn=0):
        iv, rest = esp.data[:self.iv_size], esp.data[self.iv_size:]
        nonce, aad = self._inputs(sa, esp, iv, esn_en, esn)
        try:
            if self.hides:
                text = self.open(key, nonce, rest, aad, self.icv_size)
            else:
                text, icv = rest[:-self.icv_size], rest[-self.icv_size:]
                self.open(key, nonce, icv, aad + iv + text, self.icv_size)
        except InvalidTag as error:
            raise IPSecIntegrityError(error)
        padlen, nh = text[-2], text[-1]
        return _ESPPlain(spi=esp.spi, seq=esp.seq, iv=iv, data=text[:len(text) - padlen - 2], padlen=padlen, nh=nh)


def gcm_seal(key, nonce, text, aad, icv_size):
    return AESGCM(key).encrypt(nonce, text, aad)[:len(text) + icv_size]


def gcm_open(key, nonce, sealed, aad, icv_size):
    text, tag = sealed[:-icv_size], sealed[-icv_size:]
    mode = modes.GCM(nonce, tag, min_tag_length=icv_size)
    decryptor = Cipher(algorithms.AES(key), mode, default_backend()).decryptor()
    decryptor.authenticate_additional_data(aad)
    return decryptor.update(text) + decryptor.finalize()


def one_shot(new):
    return (lambda key, nonce, text, aad, n: new(key, n).encrypt(nonce, text, aad),
            lambda key, nonce, text, aad, n: new(key, n).decrypt(nonce, text, aad))


CRYPT = dict(CRYPT_ALGOS)
CRYPT["AES-GCM-12"] = Aead(gcm_seal, gcm_open, 8, 4, 12)
CRYPT["AES-GCM-8"] = Aead(gcm_seal, gcm_open, 8, 4, 8)
CRYPT["AES-GMAC"] = Aead(gcm_seal, gcm_open, 8, 4, 16, hides=False)
CRYPT["AES-GCM-IIV"] = Aead(gcm_seal, gcm_open, 0, 4, 16)
CRYPT["AES-CCM-8-IIV"] = Aead(*one_shot(lambda key, n: AESCCM(key, tag_length=n)), 0, 3, 8)
CRYPT["CHACHA20-POLY1305-IIV"] = Aead(*one_shot(lambda key, n: ChaCha20Poly1305(key)), 0, 4, 16)


class Xcbc:
    """AES-XCBC-MAC, RFC 3566 section 4."""

    def __init__(self, key):
        derived = [self._aes(key).update(bytes([n]) * 16) for n in (1, 2, 3)]
        self.aes, self.full, self.filled, self.data = self._aes(derived[0]), derived[1], derived[2], b""

    @staticmethod
    def _aes(key):
        return Cipher(algorithms.AES(key), modes.ECB(), default_backend()).encryptor()

    def update(self, data):
        self.data += data

    def finalize(self):
        whole = len(self.data) > 0 and len(self.data) % 16 == 0
        data = self.data if whole else self.data + b"\x80" + b"\0" * (-(len(self.data) + 1) % 16)
        e = bytes(16)
        for at in range(0, len(data), 16):
            last = at + 16 == len(data)
            mask = (self.full if whole else self.filled) if last else bytes(16)
            e = self.aes.update(bytes(a ^ b ^ c for a, b, c in zip(e, data[at:at + 16], mask)))
        return e


class Auth(AuthAlgo):
    """An integrity transform that has the high half of the sequence number behind the packet (RFC 4303 section 2.2.1)."""

    def __init__(self, new_mac, icv_size, high):
        super().__init__("", mac=True, digestmod=None, icv_size=icv_size)
        self.new, self.high = new_mac, high

    def _icv(self, octets, key):
        mac = self.new(key)
        mac.update(octets + self.high)
        return mac.finalize()[:self.icv_size]

    def sign(self, pkt, key, esn_en=False, esn=0):
        pkt[ESP].data += self._icv(bytes(pkt[ESP]), key)
        return pkt

    def verify(self, pkt, key, esn_en=False, esn=0):
        octets = bytes(pkt)
        if self._icv(octets[:-self.icv_size], key) != octets[-self.icv_size:]:
            raise IPSecIntegrityError("icv")


def association(job):
    family, mode = job["outer"], job["mode"]
    tunnel = None
    if mode == "tunnel":
        tunnel = IP(src="192.0.2.1", dst="198.51.100.2") if family == 4 else IPv6(src="2001:db8::1", dst="2001:db8::2")
    sa = SecurityAssociation(ESP, spi=job["spi"], tunnel_header=tunnel, esn_en=job["esn"], esn=job["high"],
                             nat_t_header=UDP(sport=4500, dport=4500) if job["udp"] else None,
                             crypt_icv_size=job.get("icv"))
    sa.crypt_algo = CRYPT[job["crypt"]]
    keymat = bytes.fromhex(job["key"])
    salt = sa.crypt_algo.salt_size
    sa.crypt_key, sa.crypt_salt = keymat[:len(keymat) - salt] or None, keymat[len(keymat) - salt:]
    if job.get("auth"):
        sa.auth_key = bytes.fromhex(job["authKey"])
        high = struct.pack("!L", job["high"]) if job["esn"] else b""
        if job["auth"] == "AES-XCBC-96":
            sa.auth_algo = Auth(Xcbc, 12, high)
        elif job["esn"]:
            own = AUTH_ALGOS[job["auth"]]
            sa.auth_algo = Auth(own.new_mac, own.icv_size, high)
        else:
            sa.auth_algo = AUTH_ALGOS[job["auth"]]
    return sa


def outer_packet(job, esp):
    """The ESP packet as it would come from the wire; in transport mode behind the header of the inner packet."""
    if job["mode"] == "tunnel":
        header = IP(src="192.0.2.1", dst="198.51.100.2") if job["outer"] == 4 else IPv6(src="2001:db8::1", dst="2001:db8::2")
    else:
        inner = bytes.fromhex(job["inner"])
        header = IP(inner[:20]) if job["outer"] == 4 else IPv6(inner[:40])
        header.remove_payload()
    # Scapy looks for the next header of transport mode in what stands before ESP, and UDP over IPv6 has none.
    udp = job["udp"] and not (job["mode"] == "transport" and job["outer"] == 6)
    if header.version == 4:
        header.proto = 17 if udp else 50
        del header.len, header.chksum
    else:
        header.nh = 17 if udp else 50
        del header.plen
    whole = header / UDP(sport=4500, dport=4500, chksum=0) / Raw(esp) if udp else header / Raw(esp)
    return header.__class__(bytes(whole))


def work(job):
    sa = association(job)
    inner_class = {4: IP, 6: IPv6}[job["family"]]
    if job["do"] == "open":
        opened = sa.decrypt(outer_packet(job, bytes.fromhex(job["esp"])))
        answer = {"inner": bytes(opened).hex()}
        if job["again"]:
            iv = bytes.fromhex(job["iv"])
            sealed = sa.encrypt(inner_class(bytes.fromhex(job["inner"])), seq_num=job["seq"], iv=iv)
            answer["again"] = bytes(sealed[ESP]).hex()
        return answer
    sealed = sa.encrypt(inner_class(bytes.fromhex(job["inner"])), seq_num=job["seq"])
    return {"esp": bytes(sealed[ESP]).hex(), "outer": bytes(sealed).hex()}


for line in sys.stdin:
    given = json.loads(line)
    try:
        result = work(given)
    except Exception as error:  # whatever it is, it is this job's answer
        result = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(dict(result, id=given["id"])))
