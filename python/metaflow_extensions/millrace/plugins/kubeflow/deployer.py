"""`Deployer("flow.py").kubeflow_pipelines()`: deploy from Python.

Loaded wherever Metaflow is: what a deployed flow can do is in
deployed_flow.py, imported when there is one.
"""

from metaflow.runner.deployer_impl import DeployerImpl


class KubeflowPipelinesDeployer(DeployerImpl):
    """
    Deployer implementation for Kubeflow Pipelines.

    Parameters
    ----------
    name : str, optional, default None
        Pipeline name. The flow name is used instead if this option is not specified.
    url : str, optional, default None
        URL of Kubeflow Pipelines.
    """

    TYPE = "kubeflow-pipelines"

    def __init__(self, deployer_kwargs, **kwargs):
        self._deployer_kwargs = deployer_kwargs
        super().__init__(**kwargs)

    @property
    def deployer_kwargs(self):
        return self._deployer_kwargs

    @staticmethod
    def deployed_flow_type():
        from .deployed_flow import KubeflowPipelinesDeployedFlow

        return KubeflowPipelinesDeployedFlow

    def create(self, **kwargs):
        """
        Deploy the flow as the newest version of its pipeline; the arguments are the options of `create`.

        Returns
        -------
        KubeflowPipelinesDeployedFlow
            The flow deployed to Kubeflow Pipelines.
        """
        return self._create(self.deployed_flow_type(), **kwargs)

    def from_deployment(self, identifier, metadata=None):
        """The flow of the pipeline of that name, as DeployedFlow.from_deployment() finds it."""
        return self.deployed_flow_type().from_deployment(identifier, metadata)
