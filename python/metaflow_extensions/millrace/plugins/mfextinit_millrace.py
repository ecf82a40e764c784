"""Plug-in point of the deploy-time extension.

It travels in the code package like any extension, and is loaded by every
command of every flow: what it names is light, the rest is imported when it is
asked for.
"""

CLIS_DESC = [("kubeflow-pipelines", ".kubeflow.cli.cli")]
STEP_DECORATORS_DESC = [("kubernetes", ".kubernetes_decorator.KubernetesDecorator")]
DEPLOYER_IMPL_PROVIDERS_DESC = [("kubeflow-pipelines", ".kubeflow.deployer.KubeflowPipelinesDeployer")]
