"""A step in an environment of conda's, one with a package of PyPI's, one outside of any."""

import sys

from metaflow import FlowSpec, conda, pypi, step


class CondaFlow(FlowSpec):
    @conda
    @step
    def start(self):
        self.prefixes = [sys.prefix]
        self.next(self.middle)

    @pypi(packages={"iniconfig": "2.0.0"})
    @step
    def middle(self):
        import iniconfig

        self.package = iniconfig.__file__
        self.prefixes.append(sys.prefix)
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.prefixes.append(sys.prefix)


if __name__ == "__main__":
    CondaFlow()
