#!/usr/bin/env python3
"""Rebuild the age identity of a Reduit vault from released shares, with nothing but Python's standard library.

  python3 recover.py [--recipient age1...] [--agreement agreement-1.json] SHARE SHARE SHARE... > vault.key

SHARE         a released share as `age -d` wrote it: one line "<index>:<64 hex digits>"
--recipient   the vault's recipient; the manifest of every deposit names it (envelope.recipient)
--agreement   the signed agreement; its commitments show which share is wrong, if one is

Prints AGE-SECRET-KEY-1..., and nothing when anything is wrong. The mathematics: docs/formats/share.md, and RFC 9591 appendix C.
"""

import argparse
import base64
import json
import re
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


class Refused(Exception):
    pass


# Ed25519 points as (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z; RFC 8032, section 5.1

NEUTRAL = (0, 1, 1, 0)


def recover_x(y, odd):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and odd):
        raise Refused("a commitment is not a point of the curve")
    return P - x if x % 2 != odd else x


def point_at(x, y):
    return x, y, 1, x * y % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def multiply(point, scalar):
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = point_at(recover_x(BASE_Y, 0), BASE_Y)


def decompress(text):
    number = int.from_bytes(bytes.fromhex(text), "little")
    y = number % 2**255
    if len(text) != 64 or y >= P:
        raise Refused("a commitment is not a canonical point")
    point = point_at(recover_x(y, number >> 255), y)
    if equal(point, NEUTRAL) or not equal(multiply(point, L), NEUTRAL):
        raise Refused("a commitment is not of prime order")
    return point


# Bech32, BIP 173


def polymod(words):
    checksum = 1
    for word in words:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                checksum ^= generator
    return checksum


def bech32(prefix, content):
    number = int.from_bytes(content, "big") << 4  # 256 bits and 4 of padding are 52 words
    words = [number >> 5 * place & 31 for place in reversed(range(52))]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    checksum = polymod(expanded + words + [0] * 6) ^ 1
    words += [checksum >> 5 * place & 31 for place in reversed(range(6))]
    return prefix + "1" + "".join(BECH32[word] for word in words)


def recipient_of(scalar):
    _, y, z, _ = multiply(BASE, scalar)  # u = (1 + y) / (1 - y), RFC 7748, section 4.1
    return bech32("age", ((z + y) * pow(z - y, P - 2, P) % P).to_bytes(32, "little"))


# Shares


def read_share(path):
    with open(path, "rb") as file:
        match = re.fullmatch(rb"([1-9][0-9]{0,2}):([0-9a-f]{64})\n?", file.read(256))
    if not match:
        raise Refused(f"{path}: expected one line <index>:<64 hex digits>")
    index, value = int(match[1]), int.from_bytes(bytes.fromhex(match[2].decode()), "little")
    if index > 255 or not 0 < value < L:
        raise Refused(f"{path}: the index or the value is out of range")
    return index, value


def read_commitments(path, recipient):
    with open(path, "rb") as file:
        document = json.load(file)
    agreement = json.loads(base64.b64decode(document["payload"])) if "payload" in document else document
    vault = agreement["vault"]
    for epoch in vault["epochs"]:
        if epoch["recipient"] == recipient:
            if len(epoch["commitments"]) != vault["threshold"]:
                raise Refused(f"expected {vault['threshold']} commitments, got {len(epoch['commitments'])}")
            return [decompress(text) for text in epoch["commitments"]]
    raise Refused(f"the agreement has no vault with the recipient {recipient}")


def belongs(share, commitments):
    index, value = share
    expected = NEUTRAL
    for commitment in reversed(commitments):
        expected = add(multiply(expected, index), commitment)
    return equal(multiply(BASE, value), expected)


def interpolate(shares):
    secret = 0
    for i, value in shares.items():
        above = below = 1
        for j in shares:
            if j != i:
                above = above * j % L
                below = below * (j - i) % L
        secret += value * above * pow(below, L - 2, L)
    return secret % L


def rebuild(shares):
    m = interpolate(shares) * pow(8, L - 2, L) % L
    if m < 2**251:
        m = L - m
    if not 2**251 <= m < 2**252:
        raise Refused("these shares give a key that age cannot write; were they of one vault?")
    return 8 * m


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipient")
    parser.add_argument("--agreement")
    parser.add_argument("shares", nargs="+", metavar="SHARE")
    options = parser.parse_args()
    if options.agreement and not options.recipient:
        raise Refused("--agreement needs --recipient: an agreement has one vault key for each epoch")

    commitments = read_commitments(options.agreement, options.recipient) if options.agreement else None
    shares = {}
    for path in options.shares:
        share = read_share(path)
        if commitments and not belongs(share, commitments):
            print(f"left out: {path}: share {share[0]} is not of this vault", file=sys.stderr)
        elif shares.setdefault(*share) != share[1]:
            raise Refused(f"{path}: another share with index {share[0]} was given")
    if commitments and len(shares) < len(commitments):
        raise Refused(f"expected {len(commitments)} valid shares, got {len(shares)}")

    k = rebuild(shares)
    recipient = recipient_of(k)
    if options.recipient and recipient != options.recipient:
        raise Refused(f"these shares give {recipient}: too few, or one is not of this vault (--agreement tells which)")
    print(f"recipient: {recipient}", file=sys.stderr)
    print(bech32("age-secret-key-", k.to_bytes(32, "little")).upper())


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"recover.py: {error}")
