"""Host names of the cloud, those of buckets included, as DNS answers (RFC 1035): A for a name of the cloud, an empty answer for its other types.

Anything else is refused, so that a resolver asks the next server that it knows, or finds that there is none.
"""

import re
import socketserver
import struct

from cotenant_cloud import state as cloud
from cotenant_cloud.state import State

A, INTERNET = 1, 1
REFUSED = 5
SECONDS = 5


BUCKETS = tuple(f".{host}" for host in cloud.S3_HOSTS)
ANY_SERVICE = re.compile(rf"[a-z0-9-]+\.({'|'.join((cloud.REGION, *cloud.OTHER_REGIONS))})\.amazonaws\.com")


def is_ours(name: str) -> bool:
    """A host of the cloud, a bucket below one of S3's, or any service in a region."""
    return name in (*cloud.SITE_HOSTS, *cloud.S3_HOSTS, *cloud.API_HOSTS) or name.endswith(BUCKETS) or bool(ANY_SERVICE.fullmatch(name))


def answer(query: bytes, address: str) -> bytes | None:
    """The answer to a query with one question; none to what is no such query."""
    try:
        number, flags, questions = struct.unpack_from("!HHH", query)
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
        kind, domain = struct.unpack_from("!HH", query, at + 1)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if questions != 1 or flags & 0x8000:
        return None
    ours = is_ours(".".join(labels).lower())
    record = b""
    if ours and (kind, domain) == (A, INTERNET):
        # The name is that of the question, at byte 12.
        record = struct.pack("!HHHIH4B", 0xC00C, A, INTERNET, SECONDS, 4, *map(int, address.split(".")))
    # An answer, authoritative, recursion as desired.
    head = struct.pack("!HHHHHH", number, 0x8400 | flags & 0x0100 | (0 if ours else REFUSED), 1, bool(record), 0, 0)
    return head + query[12 : at + 5] + record


def server(listen: tuple[str, int], address: str) -> socketserver.BaseServer:
    """Answers with this address."""

    class Question(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, reply = self.request
            told = answer(query, address)
            if told:
                reply.sendto(told, self.client_address)

    return socketserver.UDPServer(listen, Question)


def main() -> None:
    """Serves until it is ended."""
    state = State.of_server()
    server((state.address, cloud.NAMES), state.address).serve_forever()


if __name__ == "__main__":
    main()
