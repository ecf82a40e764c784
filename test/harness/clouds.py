"""Emulators of Google's and Azure's object stores."""

import datetime
import ipaddress
import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

from .paths import TOOLS
from .processes import until
from .s3 import free_port

# Metaflow's stores are given credentials by an extension of it.
EXTENSION = pathlib.Path(__file__).parent / "emulated"


class Server:
    """A program that serves a folder's life long."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.port = free_port()
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT)
        until(f"{type(self).__name__} to answer", self.ready, timeout=60)

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command()[0]} ended: {(self.folder / 'log').read_text()}")
        try:
            self.make()
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False
        return True

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(30)


class GCSServer(Server):
    bucket = "flows"

    def command(self) -> list[str]:
        return [str(TOOLS / "fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory",
                "-external-url", self.endpoint, "-public-host", f"127.0.0.1:{self.port}", "-log-level", "error"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def flags(self) -> list[str]:
        return ["--gs-root", f"gs://{self.bucket}/metaflow", "--gs-endpoint", self.endpoint]

    @property
    def credentials(self) -> dict[str, str]:
        return {"PYTHONPATH": str(EXTENSION), "METAFLOW_DEFAULT_GCP_CLIENT_PROVIDER": "gcp-emulated"}

    def make(self) -> None:
        body = json.dumps({"name": self.bucket}).encode()
        request = urllib.request.Request(self.endpoint + "/storage/v1/b", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()


class AzureServer(Server):
    """Azurite with TLS: the SDK sends tokens over nothing else."""

    container = "flows"
    # The account that Azurite has from the start.
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, folder: pathlib.Path):
        self.certificate, self.private = certificate(folder)
        super().__init__(folder)

    def command(self) -> list[str]:
        return [str(TOOLS / "azurite-blob"), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--oauth", "basic",
                "--cert", str(self.certificate), "--key", str(self.private), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)]

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}/{self.account}"

    @property
    def flags(self) -> list[str]:
        return ["--azure-root", f"{self.container}/metaflow", "--azure-endpoint", self.endpoint]

    @property
    def credentials(self) -> dict[str, str]:
        return {"PYTHONPATH": str(EXTENSION), "METAFLOW_DEFAULT_AZURE_CLIENT_PROVIDER": "azure-emulated", "AZURE_STORAGE_KEY": self.key,
                "SSL_CERT_FILE": str(self.certificate), "REQUESTS_CA_BUNDLE": str(self.certificate)}

    def make(self) -> None:
        from azure.core.exceptions import ServiceRequestError
        from azure.storage.blob import BlobServiceClient

        try:
            BlobServiceClient(self.endpoint, credential={"account_name": self.account, "account_key": self.key},
                              connection_verify=str(self.certificate), retry_total=0).create_container(self.container)
        except ServiceRequestError as error:
            raise OSError(str(error)) from None


def certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulated")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(hours=1), now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    with os.fdopen(os.open(files[1], os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files
