"""An S3 server over a folder: versitygw."""

import pathlib
import socket
import subprocess

import boto3
import botocore.client
import botocore.exceptions

from .paths import TOOLS
from .processes import until

KEY, SECRET = "millrace", "millrace-secret"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class S3Server:
    bucket = "flows"

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(TOOLS / "versitygw"), "--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{self.port}",
                 "--quiet", "posix", str(folder / "data")],
                stdout=log, stderr=subprocess.STDOUT,
            )
        until("the S3 server to answer", self._make_bucket, timeout=30)

    @property
    def root(self) -> str:
        return f"s3://{self.bucket}/metaflow"

    @property
    def flags(self) -> list[str]:
        return ["--s3-root", self.root, "--s3-endpoint", self.endpoint]

    @property
    def credentials(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}

    def client(self):
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
            config=botocore.client.Config(retries={"max_attempts": 1}),
        )

    def _make_bucket(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"versitygw ended: {(self.folder / 'log').read_text()}")
        try:
            self.client().create_bucket(Bucket=self.bucket)
        except botocore.exceptions.EndpointConnectionError:
            return False
        return True

    def __enter__(self) -> "S3Server":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
