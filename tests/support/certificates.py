"""Certificates for tests: an authority, and those whom it signs."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as files and as they are."""

    cert: Path
    key: Path
    issued: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def make(
        cls,
        directory: Path,
        name: str,
        *,
        signer: "Certificate | None" = None,
        names: Sequence[x509.GeneralName] = (),
        days: int = 1,
    ) -> Self:
        """Without a signer an authority of its own; ``days`` below nothing make one that has expired."""
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        key_usage = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.issued.subject if signer else subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=3))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        )
        if signer is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(key_usage), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        issued = builder.sign(signer.private if signer else private, hashes.SHA256())
        made = cls(directory / f"{name}.crt", directory / f"{name}.key", issued, private)
        made.cert.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made


LOCALHOST = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
"""The names of a server on this machine."""
