#!/usr/bin/env python3
"""The first part of the program that a machine runs: objects that a party and the machine seal for each other. Formats are in docs/protocol/runs.md.

It takes Python 3.9 and the libcrypto that Python itself is linked to: nothing is installed on a machine.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import hmac
import secrets
from typing import IO, Callable, Iterable, Iterator

MAGIC = b"cotenant sealed 1\n"
SALT, KEY, TAG, CHUNK = 32, 32, 16, 1 << 16


class Wrong(Exception):
    """Why a run does not go on, in words for its parties: nothing of anybody's data is in them."""


class Crypto:
    """AES-256-GCM (NIST SP 800-38D) by the libcrypto of the system."""

    ENCRYPT, DECRYPT, GET_TAG, SET_TAG = 1, 0, 0x10, 0x11

    def __init__(self) -> None:
        found = ctypes.util.find_library("crypto")
        for name in ([found] if found else []) + ["libcrypto.so.3", "libcrypto.so.1.1"]:
            try:
                self.lib = ctypes.CDLL(name)
                break
            except OSError:
                continue
        else:
            raise Wrong("this machine has no libcrypto")
        pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
        for name, result, takes in (
            ("EVP_CIPHER_CTX_new", pointer, []),
            ("EVP_CIPHER_CTX_free", None, [pointer]),
            ("EVP_aes_256_gcm", pointer, []),
            ("EVP_CipherInit_ex", number, [pointer, pointer, pointer, text, text, number]),
            ("EVP_CipherUpdate", number, [pointer, pointer, ctypes.POINTER(number), text, number]),
            ("EVP_CipherFinal_ex", number, [pointer, pointer, ctypes.POINTER(number)]),
            ("EVP_CIPHER_CTX_ctrl", number, [pointer, number, number, pointer]),
        ):
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, takes

    def encrypt(self, key: bytes, nonce: bytes, data: bytes, about: bytes) -> bytes:
        """The ciphertext and its tag."""
        return self.run(self.ENCRYPT, key, nonce, data, about, None)

    def decrypt(self, key: bytes, nonce: bytes, data: bytes, about: bytes) -> bytes | None:
        """What was encrypted; none if the tag is not right."""
        if len(data) < TAG:
            return None
        return self.run(self.DECRYPT, key, nonce, data[:-TAG], about, data[-TAG:])

    def run(self, way: int, key: bytes, nonce: bytes, data: bytes, about: bytes, tag: bytes | None) -> bytes | None:
        if len(key) != KEY or len(nonce) != 12:
            raise ValueError("a key has 32 bytes and a nonce 12")
        context = self.lib.EVP_CIPHER_CTX_new()
        out, size = ctypes.create_string_buffer(len(data) + TAG), ctypes.c_int()

        def checked(done: int) -> None:
            if done != 1:
                raise Wrong("libcrypto cannot do AES-256-GCM")

        try:
            checked(self.lib.EVP_CipherInit_ex(context, self.lib.EVP_aes_256_gcm(), None, key, nonce, way))
            checked(self.lib.EVP_CipherUpdate(context, None, ctypes.byref(size), about, len(about)))
            checked(self.lib.EVP_CipherUpdate(context, out, ctypes.byref(size), data, len(data)))
            if tag is not None:
                checked(self.lib.EVP_CIPHER_CTX_ctrl(context, self.SET_TAG, TAG, ctypes.create_string_buffer(tag, TAG)))
            rest = ctypes.create_string_buffer(TAG)
            if self.lib.EVP_CipherFinal_ex(context, rest, ctypes.byref(size)) != 1:
                return None
            if tag is None:
                made = ctypes.create_string_buffer(TAG)
                checked(self.lib.EVP_CIPHER_CTX_ctrl(context, self.GET_TAG, TAG, made))
                return out.raw[: len(data)] + made.raw
            return out.raw[: len(data)]
        finally:
            self.lib.EVP_CIPHER_CTX_free(context)


def fields(*parts: bytes) -> bytes:
    """One after the other, each with its length before it."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derived(key: bytes, salt: bytes, about: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869), 32 bytes."""
    extracted = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    return hmac.new(extracted, about + b"\x01", hashlib.sha256).digest()


class Seal:
    """What one party's run key seals in one run. The manifest is that of the run for what comes from the machine, and empty for what comes to it."""

    def __init__(self, crypto: Crypto, key: bytes, run: str, party: str) -> None:
        self.crypto, self.key, self.run, self.party = crypto, key, run, party

    def about(self, kind: str, name: str, manifest: bytes) -> bytes:
        """What a sealed object is."""
        return fields(b"cotenant run 1", kind.encode(), self.run.encode(), self.party.encode(), name.encode(), manifest)

    def stop(self) -> bytes:
        """What this party puts at its stop URL to end the run, in hexadecimal digits."""
        return derived(self.key, b"", self.about("stop", "", b"")).hex().encode()

    def sealed(self, data: Iterable[bytes], kind: str, name: str, manifest: bytes) -> Iterator[bytes]:
        """The parts of the sealed object; `data` are chunks of which all but the last are full."""
        about, salt = self.about(kind, name, manifest), secrets.token_bytes(SALT)
        key = derived(self.key, salt, about)
        yield MAGIC + salt
        number, waiting = 0, None
        for chunk in data:
            if waiting is not None:
                yield self.crypto.encrypt(key, number.to_bytes(12, "big"), waiting, about + number.to_bytes(8, "big") + b"\0")
                number += 1
            waiting = chunk
        yield self.crypto.encrypt(key, number.to_bytes(12, "big"), waiting or b"", about + number.to_bytes(8, "big") + b"\1")

    def opened(self, source: IO[bytes], kind: str, name: str, manifest: bytes) -> Iterator[bytes]:
        """What was sealed, chunk by chunk: each was checked, and that none is missing is known at the end."""
        about = self.about(kind, name, manifest)
        head = source.read(len(MAGIC) + SALT)
        if len(head) != len(MAGIC) + SALT or not head.startswith(MAGIC):
            raise Wrong(f"{self.party}:{name} is no sealed object")
        key, number, waiting = derived(self.key, head[len(MAGIC) :], about), 0, source.read(CHUNK + TAG)
        while True:
            after = source.read(CHUNK + TAG)
            last = b"\0" if after else b"\1"
            data = self.crypto.decrypt(key, number.to_bytes(12, "big"), waiting, about + number.to_bytes(8, "big") + last)
            if data is None:
                raise Wrong(f"{self.party}:{name} was not sealed under {self.party}'s key for this run, or is not whole")
            yield data
            if not after:
                return
            number, waiting = number + 1, after


def sealed_size(size: int) -> int:
    """Of an object of so many bytes."""
    return len(MAGIC) + SALT + size + TAG * max(1, -(-size // CHUNK))


def chunks(source: IO[bytes], size: int) -> Iterator[bytes]:
    """The first so many bytes of a file, in chunks."""
    while size:
        data = source.read(min(size, CHUNK))
        if not data:
            raise Wrong("a file became shorter while it was read")
        size -= len(data)
        yield data
