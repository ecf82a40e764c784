"""Metaflow's metadata service, reached through the launcher.

The rows are those of Metaflow's own provider; the launcher makes the HTTP
calls, with its credentials, and holds what the service cannot take yet. There
is no heartbeat here: the launcher beats for the task.
"""

import json
import random
import re
import time
from urllib.parse import urlencode

from metaflow.exception import MetaflowException, MetaflowInternalError, MetaflowTaggingError
from metaflow.metadata_provider import MetadataProvider
from metaflow.metaflow_config import SERVICE_URL

from . import wire

# What the service must be able to do, by its version.
ATTEMPTS = (2, 0, 6)
TAG_MUTATION = (2, 3, 0)


class ServiceException(MetaflowException):
    headline = "Metaflow service error"

    def __init__(self, msg, http_code=None, body=None):
        self.http_code = None if http_code is None else int(http_code)
        self.response = body
        super().__init__(msg)


class LauncherMetadataProvider(MetadataProvider):
    TYPE = "service"

    _service_version = None

    @classmethod
    def compute_info(cls, val):
        url = val.rstrip("/")
        if url != (SERVICE_URL or "").rstrip("/"):
            raise ValueError("Metaflow service [%s] unreachable: a task reaches only the service of its deployment, %s." % (url, SERVICE_URL))
        return url

    @classmethod
    def default_info(cls):
        return SERVICE_URL

    def version(self):
        return self._version()

    def new_run_id(self, tags=None, sys_tags=None):
        return self._new_run(tags=tags, sys_tags=sys_tags)[0]

    def register_run_id(self, run_id, tags=None, sys_tags=None):
        if _is_number(run_id):
            return False  # the service gave it, so it knows it
        return self._new_run(run_id, tags=tags, sys_tags=sys_tags)[1]

    def new_task_id(self, run_id, step_name, tags=None, sys_tags=None):
        return self._new_task(run_id, step_name, tags=tags, sys_tags=sys_tags)[0]

    def register_task_id(self, run_id, step_name, task_id, attempt=0, tags=None, sys_tags=None):
        if _is_number(task_id):
            self._register_system_metadata(run_id, step_name, task_id, attempt)
            return False
        return self._new_task(run_id, step_name, task_id=task_id, attempt=attempt, tags=tags, sys_tags=sys_tags)[1]

    def register_data_artifacts(self, run_id, step_name, task_id, attempt_id, artifacts):
        rows = self._artifacts_to_json(run_id, step_name, task_id, attempt_id, artifacts)
        self._request("POST", _path(self._flow_name, run_id, step_name, task_id) + "/artifact", rows)

    def register_metadata(self, run_id, step_name, task_id, metadata):
        rows = self._metadata_to_json(run_id, step_name, task_id, metadata)
        self._request("POST", _path(self._flow_name, run_id, step_name, task_id) + "/metadata", rows)

    @classmethod
    def _mutate_user_tags_for_run(cls, flow_id, run_id, tags_to_add=None, tags_to_remove=None):
        cls._require(TAG_MUTATION, "Adding or removing tags on a run")
        path = _path(flow_id, run_id) + "/tag/mutate"
        body = {"tags_to_add": list(tags_to_add or []), "tags_to_remove": list(tags_to_remove or [])}
        # Somebody else may change the tags at the same time.
        for attempt in range(10):
            if attempt:
                time.sleep(0.3 * random.uniform(1.4, 1.6) ** attempt)
            status, reply = cls._call("PATCH", path, body)
            if status < 300:
                return frozenset(reply["tags"])
            if status in (400, 422):
                raise MetaflowTaggingError("Metadata service says: %s" % _text(reply))
        raise MetaflowTaggingError("Tagging failed: the metadata service keeps answering %d (%s)" % (status, _text(reply)))

    @classmethod
    def _get_object_internal(cls, obj_type, obj_order, sub_type, sub_order, filters, attempt, *args):
        if attempt is not None:
            cls._require(ATTEMPTS, "Getting specific attempts of Tasks or Artifacts")
        if sub_type == "self":
            found = cls._get(_path(*args[:obj_order], attempt=attempt if obj_type == "artifact" else None))
            return None if found is None else MetadataProvider._apply_filter([found], filters)[0]
        path = "" if obj_type == "root" else _path(*args[:obj_order])
        if sub_type == "metadata":
            path += "/metadata"
        elif sub_type == "artifact" and obj_type == "task" and attempt is not None:
            path += "/attempt/%s/artifacts" % attempt
        else:
            path += "/%ss" % sub_type
        found = cls._get(path)
        return None if found is None else MetadataProvider._apply_filter(found, filters)

    @classmethod
    def filter_tasks_by_metadata(cls, flow_name, run_id, step_name, field_name, pattern):
        query = {}
        if pattern != ".*":
            if field_name:
                query["metadata_field_name"] = field_name
            if pattern:
                # The service searches, Metaflow's other providers match whole.
                query["pattern"] = "^(?:%s)$" % pattern
        found = cls._get("%s/filtered_tasks?%s" % (_path(flow_name, run_id, step_name), urlencode(query)))
        if found is None:
            raise MetaflowInternalError(
                "The version of metadata service deployed currently does not support filtering tasks by metadata. "
                "Upgrade Metadata service to version 2.5.0 or greater to use this feature."
            )
        return found

    def _new_run(self, run_id=None, tags=None, sys_tags=None):
        self._get_or_create("flow")
        run, created = self._get_or_create("run", run_id, tags=tags, sys_tags=sys_tags)
        return str(run["run_number"]), created

    def _new_task(self, run_id, step_name, task_id=None, attempt=0, tags=None, sys_tags=None):
        self._get_or_create("step", run_id, step_name)
        task, created = self._get_or_create("task", run_id, step_name, task_id, tags=tags, sys_tags=sys_tags)
        if created:
            self._register_system_metadata(run_id, step_name, task["task_id"], attempt)
        return task["task_id"], created

    def _get_or_create(self, obj_type, run_id=None, step_name=None, task_id=None, tags=None, sys_tags=None):
        path = _path(self._flow_name, run_id, step_name, task_id)
        asked_for_new = (obj_type == "run" and run_id is None) or (obj_type == "task" and task_id is None)
        if not asked_for_new:
            found = self._get(path)
            if found is not None:
                # True although it was there: whoever made it, the launcher for
                # one, did not describe this attempt.
                return found, True
        body = self._object_to_json(
            obj_type, run_id, step_name, task_id, self.sticky_tags.union(tags or ()), self.sticky_sys_tags.union(sys_tags or ())
        )
        create = "/flows/%s" % self._flow_name
        if obj_type in ("step", "task"):
            create += "/runs/%s/steps/%s" % (run_id, step_name)
        if obj_type != "flow":
            create += "/" + obj_type
        status, reply = self._call("POST", create, body)
        if status == 409:
            return self._get(path), False
        if status >= 300:
            raise _failed("POST", create, status, reply)
        return _row(reply, body), True

    @classmethod
    def _get(cls, path):
        status, reply = cls._call("GET", path)
        if status == 404:
            return None
        if status >= 300:
            raise _failed("GET", path, status, reply)
        return reply

    @classmethod
    def _request(cls, method, path, body):
        try:
            status, reply = cls._call(method, path, body)
        except wire.FrameTooLarge:
            # The rows of a task with thousands of artifacts.
            if not isinstance(body, list) or len(body) < 2:
                raise
            half = len(body) // 2
            cls._request(method, path, body[:half])
            return cls._request(method, path, body[half:])
        # A conflict is a row that an answer lost on its way had made before.
        if status >= 300 and status != 409:
            raise _failed(method, path, status, reply)
        return reply

    @classmethod
    def _call(cls, method, path, body=None):
        """One call as the launcher makes it: it repeats what is worth
        repeating, so what comes back is final."""
        try:
            reply = wire.call("metadata", method=method, path=path, body=body)
        except wire.LauncherError as error:
            raise ServiceException("Metadata request (%s) failed: %s" % (path, error)) from error
        if reply.get("version"):
            cls._service_version = reply["version"]
        return int(reply["status"]), reply.get("body")

    @classmethod
    def _version(cls):
        if cls._service_version is None:
            status, reply = cls._call("GET", "/ping")
            if status >= 300:
                raise _failed("GET", "/ping", status, reply)
        return cls._service_version

    @classmethod
    def _require(cls, version, what):
        known = cls._version()
        if known is None or _version_tuple(known) < version:
            needed = ".".join(map(str, version))
            raise ServiceException("%s requires the metaflow service to be at least version %s. Please upgrade your service." % (what, needed))


def _path(flow, run=None, step=None, task=None, artifact=None, attempt=None):
    path = "/flows/%s" % flow
    for kind, value in (("runs", run), ("steps", step), ("tasks", task), ("artifacts", artifact), ("attempt", attempt)):
        if value is not None:
            path += "/%s/%s" % (kind, value)
    return path


def _row(reply, body):
    # A row that is still in the launcher's queue has no answer yet; what was
    # sent says the same.
    return reply if isinstance(reply, dict) and reply else body


def _failed(method, path, status, reply):
    return ServiceException("Metadata request (%s %s) failed (code %s): %s" % (method, path, status, _text(reply)), status, _text(reply))


def _text(reply):
    return reply if isinstance(reply, str) else json.dumps(reply)


def _version_tuple(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _is_number(value):
    try:
        int(value)
    except ValueError:
        return False
    return True
