"""Uses S3 by Metaflow's own tools, for which it needs an SDK."""

from metaflow import S3, FlowSpec, environment, step


class SdkFlow(FlowSpec):
    @step
    def start(self):
        self.numbers = [0, 1]
        self.next(self.work, foreach="numbers")

    # As many processes as are of use here.
    @environment(vars={"METAFLOW_S3_WORKER_COUNT": "1"})
    @step
    def work(self):
        with S3(run=self) as s3:
            s3.put_many([(f"{self.input}-{i}", str(i)) for i in range(3)])
            self.kept = sorted(file.text for file in s3.get_many([f"{self.input}-{i}" for i in range(3)]))
        import boto3

        self.place = boto3.__file__
        self.next(self.join)

    @step
    def join(self, inputs):
        self.kept, self.places = [one.kept for one in inputs], [one.place for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SdkFlow()
