"""Metaflow's stores, reached through the launcher.

Every write is one request per batch: small payloads in it, large ones as
files in the spool folder, which the launcher takes over. Every read comes
back as a file that is the task's own, decompressed where it was an artifact.
A store is what its root says; the client inside a task reads other roots
through the same class.
"""

import base64
import gzip
import os
import re
import shutil
import tempfile

from metaflow import metaflow_config
from metaflow.datastore.datastore_storage import CloseAfterUse, DataStoreStorage

from . import patches, pickling, transition, wire

# A payload up to this size travels in the request (64 KiB as base64).
INLINE = 48 << 10
# Payloads in one request, together; the rest of the frame is for names.
INLINE_TOTAL = 512 << 10
# Bytes of files in one request where they take memory: the launcher has to use
# them up before there are more.
SPOOLED_IN_MEMORY = 64 << 20
# Items in one request: a name and what is said of it stay below 512 bytes, or
# the frame is split further.
BATCH = 1000

_CONTENT = re.compile(r"^[^/]+/data/([0-9a-f]{2})/\1[0-9a-f]{38}$")


def is_content(path):
    """Whether a path is that of a content-addressed object."""
    return _CONTENT.match(path) is not None


class LauncherStorage(DataStoreStorage):
    TYPE = None

    def __init__(self, root=None):
        super().__init__(root)
        patches.apply()

    def _call(self, op, **fields):
        return wire.call(op, type=self.TYPE, root=self.datastore_root, **fields)

    def is_file(self, paths):
        # Metaflow asks only before it saves. Whether an object is there
        # already is the launcher's business, which knows by one request what
        # Metaflow would ask one by one.
        asked = [path for path in paths if not is_content(path)]
        found = {}
        for part in _parts(asked):
            exists = self._call("is_file", paths=part)["exists"]
            found.update((path, exists[i]) for i, path in enumerate(part))
        return [bool(found.get(path)) for path in paths]

    def info_file(self, path):
        reply = self._call("info", path=path)
        return bool(reply.get("exists")), reply.get("meta")

    def size_file(self, path):
        return self._call("size", path=path).get("size")

    def list_content(self, paths):
        entries = []
        for part in _parts(list(paths)):
            entries.extend(self._call("list", paths=part).get("entries") or [])
        return [self.list_content_result(path=e["path"], is_file=e["is_file"]) for e in entries]

    def save_bytes(self, path_and_bytes_iter, overwrite=False, len_hint=0):
        hello = wire.connection().hello
        batch = _Batch(hello)
        try:
            for path, value in path_and_bytes_iter:
                data, meta = value if isinstance(value, tuple) else (value, None)
                if batch.full():
                    self._save(batch, overwrite)
                    batch = _Batch(hello)
                batch.add(path, data, meta)
            self._save(batch, overwrite)
        except BaseException:
            batch.discard()
            raise

    def _save(self, batch, overwrite):
        if not batch.items:
            return
        transition.before_save([item["path"] for item in batch.items])
        try:
            self._call("save", overwrite=bool(overwrite), items=batch.items)
        except wire.FrameTooLarge:
            # Only very long names get here. What is final in a batch is saved
            # last, and in one request: data.json must not be without DONE.
            if len(batch.items) < 2:
                raise
            half = len(batch.items) // 2
            self._save(batch.part(0, half), overwrite)
            self._save(batch.part(half, None), overwrite)

    def delete_files(self, paths, below=False):
        """Metaflow's stores delete nothing; extensions do."""
        for part in _parts(paths):
            self._call("delete", paths=part, below=below)

    def load_bytes(self, keys):
        files = _Loaded()
        return CloseAfterUse(self._load(list(keys), files), closer=files)

    def load_kept(self, keys):
        """As load_bytes, but the files last as long as the task."""
        return self._load(keys, _Loaded())

    def _load(self, keys, files):
        for part in _parts(keys):
            wanted = list(dict.fromkeys(part))
            found = {entry["path"]: entry for entry in self._call("load", paths=wanted)["files"]}
            files.own(entry["file"] for entry in found.values() if entry.get("file"))
            for key in part:
                entry = found.get(key) or {}
                if entry.get("file"):
                    yield key, entry["file"], entry.get("meta")
                else:
                    yield key, None, None


class _Batch:
    """The items of one save."""

    def __init__(self, hello):
        self.items = []
        self._hello, self._inline, self._spooled, self._contents = hello, 0, 0, set()

    def full(self):
        return len(self.items) >= BATCH or self._spooled >= SPOOLED_IN_MEMORY and self._hello.get("spool_in_memory")

    def add(self, path, data, meta):
        if is_content(path):
            # Equal artifacts of one task are one object.
            if path in self._contents:
                if isinstance(data, pickling.Spooled):
                    data.discard()
                return
            self._contents.add(path)
            if isinstance(data, pickling.Spooled):
                self._spooled += data.size
                self.items.append({"path": path, "meta": meta, "file": data.file})
                return
            if not (patches.passes_through or (meta or {}).get("cas_raw")):
                data = gzip.GzipFile(fileobj=data)
        item = {"path": path, "meta": meta}
        head = data.read(INLINE + 1)
        if len(head) <= INLINE and self._inline + len(head) <= INLINE_TOTAL:
            self._inline += len(head)
            item["data"] = base64.b64encode(head).decode("ascii")
        else:
            fd, name = tempfile.mkstemp(prefix="save-", dir=self._hello["spool"])
            item["file"] = name
            self.items.append(item)
            with os.fdopen(fd, "wb") as f:
                if isinstance(data, patches.Content):
                    f.write(data.blob)
                else:
                    f.write(head)
                    shutil.copyfileobj(data, f, 1 << 20)
                self._spooled += f.tell()
            return
        self.items.append(item)

    def part(self, start, stop):
        other = _Batch(self._hello)
        other.items = self.items[start:stop]
        return other

    def discard(self):
        """The launcher takes the files of a save that it accepts."""
        _Loaded(item["file"] for item in self.items if "file" in item).close()


class _Loaded:
    """Files of the task's own, gone when their reader is done."""

    def __init__(self, names=()):
        self._names = list(names)

    def own(self, names):
        self._names.extend(names)

    def close(self):
        for name in self._names:
            try:
                os.unlink(name)
            except OSError:
                pass  # a reader may have moved it
        self._names = []


def _parts(items):
    for i in range(0, len(items), BATCH):
        yield items[i : i + BATCH]


class LocalStorage(LauncherStorage):
    TYPE = "local"
    # Other parts of Metaflow know the stock class by these.
    METADATA_DIR = "_meta"
    DATASTORE_DIR = metaflow_config.DATASTORE_LOCAL_DIR
    SYSROOT_VAR = metaflow_config.DATASTORE_SYSROOT_LOCAL

    @classmethod
    def get_datastore_root_from_config(cls, echo, create_on_absent=True):
        from metaflow.plugins.datastores.local_storage import LocalStorage as Stock

        if cls.SYSROOT_VAR:
            return Stock.get_datastore_root_from_config(echo, create_on_absent)
        # Nothing is made here: the task's own folder is gone after the task.
        return Stock.get_datastore_root_from_config(echo, create_on_absent=False)

    def list_content(self, paths):
        entries = super().list_content([path for path in paths if path != self.METADATA_DIR])
        return [entry for entry in entries if self.basename(entry.path) != self.METADATA_DIR]


class S3Storage(LauncherStorage):
    TYPE = "s3"

    @property
    def s3_client(self):
        """Metaflow's own client, for extensions that ask the stock class for
        it: with boto3 and a key of the pod's. Nothing here uses it."""
        from metaflow.plugins.datatools.s3.s3 import S3Client

        return S3Client()

    @classmethod
    def get_datastore_root_from_config(cls, echo, create_on_absent=True):
        return metaflow_config.DATASTORE_SYSROOT_S3


class GSStorage(LauncherStorage):
    TYPE = "gs"

    @classmethod
    def get_datastore_root_from_config(cls, echo, create_on_absent=True):
        return metaflow_config.DATASTORE_SYSROOT_GS


class AzureStorage(LauncherStorage):
    TYPE = "azure"

    @classmethod
    def get_datastore_root_from_config(cls, echo, create_on_absent=True):
        return metaflow_config.DATASTORE_SYSROOT_AZURE
