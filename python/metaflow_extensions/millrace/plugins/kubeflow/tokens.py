"""Production tokens, kept in METAFLOW_HOME as for Metaflow's other deployers."""

from metaflow.exception import MetaflowException
from metaflow.plugins.aws.step_functions.production_token import load_token, new_token, store_token

PREFIX = "production:"


def resolve(obj, prefix, is_project, authorize, given, generate):
    """The token of this deployment; says what it is for."""
    previous = _bare(authorize) or load_token(prefix)
    if given:
        if is_project:
            # Tokens of a project have a known prefix.
            raise MetaflowException("--new-token is not supported for @projects. Use --generate-new-token to create a new token.")
        token = _bare(given)
        obj.echo("\nUsing the given token, *%s*." % token)
    elif previous is None or generate:
        token = new_token(prefix, previous)
        if token is None:
            raise MetaflowException("--generate-new-token is not supported after --new-token. Use --new-token to make a new namespace.")
        obj.echo("\nA new production token generated.")
    else:
        token = previous
    obj.echo("\nThe namespace of this production flow is")
    obj.echo("    production:%s" % token, fg="green")
    obj.echo("To analyze results of this production flow add this line in your notebooks:")
    obj.echo('    namespace("production:%s")' % token, fg="green")
    obj.echo("If you want to authorize other people to deploy new versions of this flow to Kubeflow Pipelines, they need to call")
    obj.echo("    kubeflow-pipelines create --authorize %s" % token, fg="green")
    obj.echo("when deploying this flow for the first time.\n")
    store_token(prefix, token)
    return token


def _bare(token):
    return token[len(PREFIX) :] if token and token.startswith(PREFIX) else token
