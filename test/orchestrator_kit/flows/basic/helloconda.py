from metaflow import FlowSpec, conda, step


class HelloCondaFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.v1)

    @conda(libraries={"regex": "2024.11.6"})
    @step
    def v1(self):
        import regex

        self.lib_version = regex.__version__
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    HelloCondaFlow()
