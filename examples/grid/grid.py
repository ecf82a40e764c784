"""A foreach inside a foreach: every shop of every region.

    python grid.py kubeflow-pipelines create
    python grid.py kubeflow-pipelines trigger

Regions may differ in their number of shops. All shops share one pool of at
most --max-workers pods, whichever region they belong to.
"""

from metaflow import FlowSpec, step

SALES = {"north": {"Oslo": [5, 7], "Turku": [4]}, "south": {"Bari": [9, 1, 2]}}


class GridFlow(FlowSpec):
    @step
    def start(self):
        self.regions = sorted(SALES)
        self.next(self.region, foreach="regions")

    @step
    def region(self):
        self.name_of_region = self.input
        self.shops = sorted(SALES[self.input])
        self.next(self.shop, foreach="shops")

    @step
    def shop(self):
        self.sold = sum(SALES[self.name_of_region][self.input])
        print(f"{self.input} in the {self.name_of_region} sold {self.sold}")
        self.next(self.region_total)

    @step
    def region_total(self, inputs):
        self.merge_artifacts(inputs, include=["name_of_region"])
        self.total = sum(shop.sold for shop in inputs)
        self.next(self.all_regions)

    @step
    def all_regions(self, inputs):
        self.totals = {region.name_of_region: region.total for region in inputs}
        self.next(self.end)

    @step
    def end(self):
        print(self.totals)


if __name__ == "__main__":
    GridFlow()
