"""Runs with packages of its own, which the deployer's interpreter lacks."""

import os

from metaflow import FlowSpec, environment, step

# How uv reaches the packages from here; a pod knows nothing of the caller's settings.
NETWORK = ("SSL_CERT_FILE", "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
SETTINGS = {name: value for name, value in os.environ.items() if name in NETWORK or name.startswith("UV_")}


class ApartFlow(FlowSpec):
    @environment(vars=SETTINGS)
    @step(start=True, end=True)
    def only(self):
        import sys

        import cowsay

        self.said = cowsay.get_output_string("cow", "hello")
        self.apart = sys.prefix != sys.base_prefix


if __name__ == "__main__":
    ApartFlow()
