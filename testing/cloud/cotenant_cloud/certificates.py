"""The private authority: a root, an intermediate and the front's certificate, all of P-256 with SHA-256 (RFC 5280), made by OpenSSL."""

import pathlib
from collections.abc import Iterable

from .progress import call
from .state import API_HOSTS, OTHER_REGIONS, REGION, S3_HOSTS, SITE_HOSTS, State

WHY = "certificates cannot be made"
CA = "basicConstraints=critical,CA:TRUE{path}\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
LEAF = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\n"
ISSUED = "authorityKeyIdentifier=keyid\n"


def make(state: State) -> None:
    """Root and intermediate if there are none, and new certificates for the front, good for 397 days."""
    folder = state.authority
    folder.mkdir(mode=0o700, exist_ok=True)
    if not state.ca.exists():
        make_root(folder)
        issue(folder, "intermediate", "Cotenant Cloud Issuing CA", "ca", 1825, CA.format(path=",pathlen:0"))
    # One label of a name can be a star (RFC 9525 section 6.3).
    buckets = (f"*.{host}" for host in (*S3_HOSTS, "amazonaws.com", f"{REGION}.amazonaws.com"))
    make_leaf(folder, "front", (*SITE_HOSTS, *S3_HOSTS, *API_HOSTS, *buckets))
    # Apart, as every handshake carries the whole certificate.
    make_leaf(folder, "regions", [f"*.{region}.amazonaws.com" for region in OTHER_REGIONS])


def make_leaf(folder: pathlib.Path, name: str, hosts: Iterable[str]) -> None:
    """A server's certificate for these names, and with the intermediate's behind it in `NAME.pem`."""
    hosts = list(hosts)
    names = ",".join(f"DNS:{host}" for host in hosts)
    issue(folder, name, hosts[0], "intermediate", 397, LEAF + f"subjectAltName={names}\n")
    (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / "intermediate.crt").read_text())


def make_root(folder: pathlib.Path) -> None:
    """A root that signs itself, for ten years."""
    key(folder / "ca.key")
    extensions = [word for line in CA.format(path="").splitlines() for word in ("-addext", line)]
    subject = ["-subj", "/CN=Cotenant Cloud Root CA"]
    call(["openssl", "req", "-x509", "-new", "-key", folder / "ca.key", "-sha256", "-days", "3650", *subject, *extensions, "-out", folder / "ca.pem"], WHY)
    (folder / "ca.crt").write_text((folder / "ca.pem").read_text())


def issue(folder: pathlib.Path, name: str, subject: str, issuer: str, days: int, extensions: str) -> None:
    """`NAME.key` and `NAME.crt`, signed by the issuer of that name."""
    key(folder / f"{name}.key")
    request, settings = folder / f"{name}.csr", folder / f"{name}.ext"
    settings.write_text(extensions + ISSUED)
    call(["openssl", "req", "-new", "-key", folder / f"{name}.key", "-subj", f"/CN={subject}", "-out", request], WHY)
    signer = ["-CA", folder / f"{issuer}.crt", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"]
    call(["openssl", "x509", "-req", "-in", request, *signer, "-days", days, "-sha256", "-extfile", settings, "-out", folder / f"{name}.crt"], WHY)
    request.unlink()
    settings.unlink()


def key(path: pathlib.Path) -> None:
    """A P-256 key, written with mode 0600 by OpenSSL."""
    call(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path], WHY)
