"""Flow parameters as the FlowDefinition and `driver trigger` carry them: the
exact value as JSON, None as null."""

import json
import math

from metaflow._vendor import click
from metaflow.exception import MetaflowException, ParameterFieldFailed
from metaflow.includefile import FilePathClass, IncludedFile
from metaflow.parameters import DelayedEvaluationParameter, JSONTypeClass, deploy_time_eval

from .errors import NotSupported

# Metaflow's and click's types, most special first.
_TYPES = (
    (JSONTypeClass, "json"),
    # A file is stored when its name is given; its parameter says where.
    (FilePathClass, "str"),
    (click.types.BoolParamType, "bool"),
    (click.types.FloatParamType, "float"),
    (click.types.IntParamType, "int"),
    (click.types.StringParamType, "str"),
    (click.Choice, "str"),
)


def of_flow(obj):
    """The definition's parameters. A default that is a function is called
    here and now: tasks could not call it."""
    found, seen = [], set()
    for _, param in obj.flow._get_parameters():
        if param.IS_CONFIG_PARAMETER:
            continue
        if param.name.lower() in seen:
            raise MetaflowException("Parameter *%s* is specified twice. Note that parameter names are case-insensitive." % param.name)
        seen.add(param.name.lower())
        type_of(param)
        found.append(param)
    # Only now, when none of them is refused: the default of an IncludeFile goes to the store.
    return [describe(param) for param in found]


def describe(param):
    kind, converter = type_of(param)
    entry = {"name": param.name, "type": kind}
    if param.kwargs.get("help"):
        entry["help"] = str(param.kwargs["help"])
    if param.kwargs.get("required") and param.kwargs.get("default") is None:
        entry["required"] = True
        return entry
    value = default_of(param)
    if value is not None and not isinstance(converter, FilePathClass):
        try:
            value = converter.convert(value, None, None)
        except click.ClickException as error:
            raise MetaflowException("The default of the parameter *%s* is no %s: %s" % (param.name, kind, error.format_message())) from error
    entry["default"] = exact(param.name, kind, value)
    return entry


def default_of(param):
    try:
        return deploy_time_eval(param.kwargs.get("default"))
    except ParameterFieldFailed as error:
        # A file that is not there needs no traceback; a function of the user's does.
        if isinstance(error.__context__, click.ClickException):
            raise MetaflowException("The default of the parameter *%s*: %s" % (param.name, error.__context__.format_message())) from error
        raise


def type_of(param):
    """Returns (name in the definition, click's type)."""
    given = param.kwargs.get("type")
    converter = click.types.convert_type(given, None)
    for cls, kind in _TYPES:
        if isinstance(converter, cls):
            return kind, converter
    name = getattr(given, "name", None) or getattr(given, "__name__", None) or repr(given)
    raise NotSupported("The type %s of the parameter *%s*" % (name, param.name), hint="Use str, int, float, bool or JSONType.")


def stored(value):
    """A value as a run can be given it. Metaflow puts off to store a file
    until somebody wants the value; what goes on is the text that says where."""
    if isinstance(value, DelayedEvaluationParameter):
        return value(return_str=True)
    return json.dumps(value.descriptor) if isinstance(value, IncludedFile) else value


def exact(name, kind, value):
    """The value when JSON can hold it as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        raise NotSupported("The value %r of the parameter *%s*" % (value, name), hint="JSON has finite numbers only.")
    try:
        text = json.dumps(value, allow_nan=False)
        same = json.loads(text) == value
        text.encode("utf-8"), json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise MetaflowException("The value of the parameter *%s* is no %s that JSON can hold: %s" % (name, kind, error)) from error
    if not same:
        raise MetaflowException("The value of the parameter *%s* would not come back from JSON as it is: %r" % (name, value))
    return value
