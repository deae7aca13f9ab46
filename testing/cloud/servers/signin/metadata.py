"""`metadata1`: what a page's script tells about the client, as JSON, made afresh for each request, encrypted by XXTEA under a key that stands in the page.

It keeps nothing secret, as everybody has the key; it is there because clients of clouds have to send such a thing. XXTEA is from Wheeler and Needham,
"Correction to xtea", 1998. Format: JSON in UTF-8, spaces behind it to a multiple of 4 bytes and at least 8; words little-endian; the result in base64.
"""

import base64
import binascii
import json
import struct
import time

from django.core.cache import cache

# 16 bytes, in each page, the same for all.
KEY = bytes.fromhex("636f74656e616e742d636c6f75642d31")
DELTA = 0x9E3779B9
MASK = 0xFFFFFFFF
# Seconds that it is good for.
FRESH = 300


def decrypt(data: bytes) -> bytes:
    """XXTEA's decryption of two words or more."""
    count = len(data) // 4
    words, key = list(struct.unpack(f"<{count}I", data)), struct.unpack("<4I", KEY)
    total = ((6 + 52 // count) * DELTA) & MASK
    after = words[0]
    while total:
        turn = (total >> 2) & 3
        for at in range(count - 1, -1, -1):
            before = words[at - 1]
            shifted = ((before >> 5) ^ (after << 2)) + ((after >> 3) ^ (before << 4))
            words[at] = after = (words[at] - (shifted ^ ((total ^ after) + (key[(at & 3) ^ turn] ^ before)))) & MASK
        total = (total - DELTA) & MASK
    return struct.pack(f"<{count}I", *words)


def check(text: str) -> str | None:
    """What is wrong with it; nothing if it is fresh and was not sent before. `id` names it, `time` is in milliseconds since 1970."""
    try:
        data = base64.b64decode(text, validate=True)
        if len(data) < 8 or len(data) % 4:
            return "metadata1 has a wrong length"
        told = json.loads(decrypt(data))
        name, made = str(told["id"]), float(told["time"]) / 1000
    except (binascii.Error, ValueError, KeyError, TypeError):
        return "metadata1 is not what the page's script makes"
    if abs(time.time() - made) > FRESH:
        return "metadata1 is old"
    if not cache.add(f"metadata1:{name}", True, 2 * FRESH):
        return "metadata1 was sent before"
    return None
