"""A certificate authority with an intermediate one, for the tests of TLS. It must not know what a test is about."""

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    def __init__(self, name, parent=None):
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key, parent or self, None, 30, True)

    @staticmethod
    def _sign(name, key, issuer, purpose, days, is_authority):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        certificate = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
        certificate = certificate.serial_number(x509.random_serial_number())
        certificate = certificate.issuer_name(issuer.certificate.subject if hasattr(issuer, "certificate") else subject)
        certificate = certificate.not_valid_before(now - datetime.timedelta(days=60))
        certificate = certificate.not_valid_after(now + datetime.timedelta(days=days))
        certificate = certificate.add_extension(x509.BasicConstraints(is_authority, None), True)
        if purpose:
            certificate = certificate.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        if not is_authority:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            certificate = certificate.add_extension(x509.SubjectAlternativeName(names), False)
        return certificate.sign(issuer.key, hashes.SHA256())

    def issue(self, name, purpose, days=30):
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, key, self, purpose, days, False), key

    def issue_to(self, path, name, purpose, days=30, chain=()):
        """Writes PATH.pem (the certificate, and behind it `chain`) and PATH.key. Returns the certificate."""
        certificate, key = self.issue(name, purpose, days)
        write(path + ".pem", certificate, *[authority.certificate for authority in chain])
        write_key(path + ".key", key)
        return certificate


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def write(path, *certificates):
    replace(path, b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates))


def write_key(path, key):
    replace(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def replace(path, data):
    """At once, as programs that renew certificates do."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)
