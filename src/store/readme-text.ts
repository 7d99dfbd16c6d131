/**
 * What lies in every bucket as `README.txt`: how to restore for a reader who has nothing but this bucket, helpers who hold shares, and
 * `age`, `python3`, `git` and `sha256sum`. docs/RECOVERY.md says the same at length; a test runs the script of this text.
 *
 * It names nobody: it is the same in every bucket, so that it can be compared.
 */
export const storeReadme = String.raw`SOURCE CODE IN ESCROW: HOW TO RESTORE IT FROM THIS BUCKET ALONE

This bucket holds copies of git repositories, encrypted so that nobody at the operator can read them. To restore one you need
this bucket as a folder, the tools bash, age, python3, git (2.39 or newer) and sha256sum, and enough custodians (usually 3 of
5) who release their share of the key to you. No program and no server of the operator is needed.


WHAT IS HERE

agreements/<agreement>/agreement-<version>.json      who agreed what; custodians, recipients, commitments; signed
agreements/<agreement>/vault-<version>/              sealed shares (age files, one for each custodian) and their acceptances
agreements/<agreement>/sources/<source>/<number>-full/           a deposit that stands alone
agreements/<agreement>/sources/<source>/<number>-incremental/    a deposit that rests on the ones before it, back to a full one
    manifest.json              digests and sizes, signed; says which files belong to the deposit
    receipt.json               proof that the deposit was entered in the public log
    <attempt>.bundle.age       a git bundle in an age file: the repository
    <attempt>.inventory.age    names of refs and files in an age file
    <attempt>.known-objects    not needed to restore
agreements/<agreement>/sources/<source>/attachments/<sha256>.age   files that belong to deposits; the inventory says what each is
agreements/<agreement>/releases/<request>/           released shares and the statements behind them
agreements/<agreement>/evidence/<sha256>             documents that those statements name
events/<leaf>.json                                   what stands behind each entry of the log
tile/...                                             the log (c2sp.org/tlog-tiles)

A signed document is JSON; its member "payload" is the document itself in base64. A file that no manifest names was left by an
attempt that did not end, and is no deposit. A newer version of an object repairs an older one; take the one that matches the
digest in the manifest. In a copy of a folder store, superseded versions lie in hidden folders named .versions.


1. THE SHARES

A custodian opens his or her own share, and seals two of its fields to the person who is to restore, whose recipient (age1...)
is the one in the signed agreement and not one in a message:

    age -d -i custodian.key share.age | awk '$1 == "index" { i = $2 } $1 == "value" { print i ":" $2 }' |
      age -r age1... -o released.age

That person opens each of them:  age -d -i own.key -o share-1.txt released.age   (one line: a number, a colon, 64 hex digits)


2. THE KEY

Save the lines between the marks as combine.py. The shares are points of a polynomial modulo L whose value at 0, brought into
the form of an X25519 secret, is the key of the vault (RFC 9591 appendix C, RFC 7748 section 5; bech32 is BIP 173).

----- combine.py -----
import re, sys
L = 2**252 + 27742317777372353535851937790883648493
shares = {}
for path in sys.argv[1:]:
    index, value = re.fullmatch("([0-9]{1,3}):([0-9a-f]{64})", open(path).read().strip()).groups()
    shares[int(index)] = int.from_bytes(bytes.fromhex(value), "little")
assert all(0 < i < 256 and 0 < v < L for i, v in shares.items()), "a share is out of range"
s = 0
for i, value in shares.items():
    for j in shares:
        if j != i:
            value = value * j * pow(j - i, L - 2, L) % L
    s = (s + value) % L
m = s * pow(8, L - 2, L) % L
if m < 2**251:
    m = L - m
secret, prefix, alphabet = (8 * m).to_bytes(32, "little"), "age-secret-key-", "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
bits = int.from_bytes(secret, "big") << 4
words = [bits >> 5 * i & 31 for i in reversed(range(52))]
check = 1
for word in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + words + [0] * 6:
    top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ word
    for i, g in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
        check ^= g if top >> i & 1 else 0
words += [(check ^ 1) >> 5 * i & 31 for i in reversed(range(6))]
print((prefix + "1" + "".join(alphabet[w] for w in words)).upper())
----- end of combine.py -----

    umask 077
    python3 combine.py share-*.txt > vault.key
    age-keygen -y vault.key

The last line must print the recipient in the manifest (payload, envelope, recipient). If it prints another, a share is wrong
or one is missing: try other combinations of the same number of shares. Give exactly as many as the agreement's threshold, or more.


3. THE REPOSITORY

In sources/<source>/ find the last deposit you want and go back to the full one it rests on (payload, base). For that one, and
for each incremental after it in order of number:

    sha256sum <attempt>.bundle.age                  must be envelope.sha256 of the manifest
    age -d -i vault.key -o N.bundle <attempt>.bundle.age
    sha256sum N.bundle                              must be bundle.sha256 of the manifest

    git clone --mirror FULL.bundle repository.git   the first one
    git -C repository.git fetch --prune "$PWD/N.bundle" '+refs/*:refs/*'      each after it

Then open the inventory of the last deposit in the same way; its member "head" says where HEAD was ("git symbolic-ref HEAD
<ref>" in repository.git), and "refs" is the list that "git for-each-ref" must now give. To see a payload:

    python3 -c 'import base64, json, sys; print(base64.b64decode(json.load(open(sys.argv[1]))["payload"]).decode())' manifest.json

Keep vault.key as you would keep the source itself, or destroy it: it opens every deposit of its epoch.
`
