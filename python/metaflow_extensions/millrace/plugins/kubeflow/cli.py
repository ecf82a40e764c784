"""The commands and their options; each is carried out in its own module."""

from metaflow import parameters
from metaflow._vendor import click

# For the Deployer, which knows options of plain types only.
deployer_attribute_file = click.option("--deployer-attribute-file", default=None, type=str, hidden=True)


def between(low, high):
    def check(ctx, param, value):
        if not low <= value <= high:
            raise click.BadParameter("%d is not in the range of %d to %d." % (value, low, high))
        return value

    return check


@click.group()
def cli():
    pass


@cli.group(help="Commands related to Kubeflow Pipelines.")
@click.option("--name", default=None, type=str, help="Pipeline name. The flow name is used if this is not given.")
@click.option("--url", default=None, type=str, help="URL of Kubeflow Pipelines [METAFLOW_KUBEFLOW_PIPELINES_URL].")
@click.pass_obj
def kubeflow_pipelines(obj, name=None, url=None):
    obj.millrace_name = name
    obj.millrace_url = url


@kubeflow_pipelines.command(help="Deploy a new version of this flow to Kubeflow Pipelines.")
@click.option("--only-yaml", is_flag=True, default=False, help="Print the compiled pipeline and do not deploy it.")
@click.option("--output", default=None, type=str, help="Write the compiled pipeline to this file (with --only-yaml).")
@click.option("--tag", "tags", multiple=True, default=None, help="Annotate all objects of the flow's runs with this tag. May be given several times.")
@click.option("--namespace", "user_namespace", default=None, help="Change the namespace of tasks from the production token's to this tag.")
@click.option("--max-workers", default=100, show_default=True, type=int, callback=between(1, 10_000), help="Maximum number of pods of one step at a time.")
@click.option("--max-splits", default=100_000, show_default=True, type=int, callback=between(1, 1_000_000), help="Maximum width of a foreach.")
@click.option("--launcher", default=None, type=click.Choice(["fetch", "baked"]), help="How the launcher gets into a container [MILLRACE_LAUNCHER].")
@click.option("--image", default=None, type=str, help="Image of steps that name none [METAFLOW_KUBERNETES_CONTAINER_IMAGE].")
@click.option(
    "--install-sdks",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "never"]),
    help="Whether a pod may install the SDK of a cloud that the flow needs and the image lacks.",
)
@click.option("--authorize", default=None, help="Deploy with this production token, which another user of the flow has.")
@click.option("--generate-new-token", is_flag=True, help="Generate a new production token: the flow moves to a new namespace.")
@click.option("--new-token", "given_token", default=None, help="Use this production token: the flow moves to its namespace.")
@deployer_attribute_file
@click.pass_obj
def create(obj, **options):
    from .create import create

    create(obj, **options)


class TriggerCommand(click.Command):
    """Knows which options were given, as opposed to filled in by a default."""

    def parse_args(self, ctx, args):
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        names = set(given)
        for param in self.get_params(ctx):
            if param.name not in names and param.value_from_envvar(ctx) is not None:
                names.add(param.name)
        ctx.meta["millrace.given"] = names
        return super().parse_args(ctx, args)


@parameters.add_custom_parameters(deploy_mode=False)
@kubeflow_pipelines.command(cls=TriggerCommand, help="Start a run of the deployed flow.")
@click.option("--run-id-file", default=None, show_default=True, type=str, help="Write the ID of this run to the file specified.")
@deployer_attribute_file
@click.pass_context
def trigger(ctx, run_id_file=None, deployer_attribute_file=None, **kwargs):
    from .trigger import trigger

    trigger(ctx.obj, ctx.meta["millrace.given"], kwargs, run_id_file, deployer_attribute_file)


@kubeflow_pipelines.command(help="Start a run of the deployed flow that takes over the finished tasks of an earlier run, with its parameters.")
@click.option("--origin-run-id", default=None, type=str, help="The run to go on from, kfp-... (default: the one last triggered from here).")
@click.option("--step", default=None, type=str, help="Run this step and all that follows anew (default: only what had not succeeded).")
@click.option("--run-id-file", default=None, show_default=True, type=str, help="Write the ID of this run to the file specified.")
@deployer_attribute_file
@click.pass_obj
def resume(obj, origin_run_id=None, step=None, run_id_file=None, deployer_attribute_file=None):
    from .resume import resume

    resume(obj, origin_run_id, step, run_id_file, deployer_attribute_file)


@kubeflow_pipelines.command(help="Show how a run stands.")
@click.option("--run-id", default=None, type=str, help="The run, kfp-... (default: the one last triggered from here).")
@click.option("--json", "as_json", is_flag=True, default=False, help="Print JSON.")
@click.pass_obj
def status(obj, run_id=None, as_json=False):
    from .status import status

    status(obj, run_id, as_json)


@kubeflow_pipelines.command(help="Stop a run.")
@click.option("--run-id", default=None, type=str, help="The run, kfp-... (default: the one last triggered from here).")
@click.pass_obj
def terminate(obj, run_id=None):
    from .status import terminate

    terminate(obj, run_id)
