"""Large artifacts, pickled into the file they are saved from.

Metaflow pickles an artifact in memory, hashes the pickle and hands it to the
store. Here a pickle that grows large goes on in a file of the spool folder and
is hashed on the way, so that beside the artifact there is no copy of it in
memory. What Metaflow passes on is a stand-in, made and used up within one save
of artifacts.
"""

import hashlib
import io
import os
import pickle
import sys
import tempfile
import threading

from . import wire

# A pickle that grows to this size goes on in a file.
LARGE = 1 << 20
# What is hashed and written at a time: it is still in the cache.
STEP = 1 << 20

_saving = threading.local()


class Spooled(bytes):
    """Stands for a pickle that lies in a file. It answers what Metaflow asks
    of the bytes (their number) and of their hash (its text)."""

    def __new__(cls, file, size, sha):
        self = super().__new__(cls)
        self.file, self.size, self._sha = file, size, sha
        return self

    def __len__(self):
        return self.size

    def hexdigest(self):
        return self._sha

    def content(self):
        with open(self.file, "rb") as f:
            return f.read()

    def discard(self):
        _remove(self.file)


def apply():
    """Raises when Metaflow does not pickle and hash as it is known to."""
    from metaflow.datastore import content_addressed_store

    module = _pickling_module()
    if module.pickle is not pickle:
        raise TypeError("%s has another pickle" % module.__name__)
    if content_addressed_store.sha1 is not hashlib.sha1:
        raise TypeError("%s has another sha1" % content_addressed_store.__name__)
    module.pickle = _Pickle()
    content_addressed_store.sha1 = _sha1


def _pickling_module():
    try:
        from metaflow.plugins.datastores.serializers import pickle_serializer
    except ImportError:  # before there were any
        from metaflow.datastore import task_datastore

        return task_datastore
    return pickle_serializer


class to_files:
    """While it lasts, what this thread pickles may become a Spooled."""

    def __enter__(self):
        self._before = getattr(_saving, "folder", None)
        _saving.folder = wire.connection().hello["spool"]

    def __exit__(self, *_):
        _saving.folder = self._before


class _Pickle:
    """The module pickle, but for what it makes while artifacts are saved."""

    def __getattr__(self, name):
        return getattr(pickle, name)

    def dumps(self, obj, protocol=None, **options):
        folder = getattr(_saving, "folder", None)
        if folder is None or options or _is_small(obj):
            return pickle.dumps(obj, protocol, **options)
        writer = _Writer(folder)
        try:
            pickle.Pickler(writer, protocol).dump(obj)
            return writer.done()
        except BaseException:
            writer.discard()
            raise


def _is_small(obj):
    """Most artifacts of a task are, and what needs no thought gets none."""
    return obj is None or isinstance(obj, (bool, float)) or isinstance(obj, (int, str, bytes)) and sys.getsizeof(obj) < LARGE // 4


def _sha1(data=b"", **options):
    return data if isinstance(data, Spooled) else hashlib.sha1(data, **options)


class _Writer:
    """Takes a pickle, in memory as long as it is not large."""

    def __init__(self, folder):
        self._folder, self._memory, self._file, self._size = folder, io.BytesIO(), None, 0

    def write(self, data):
        self._size += len(data)
        if self._file is None:
            if self._size < LARGE:
                return self._memory.write(data)
            self._spill()
        self._put(data)

    def _spill(self):
        fd, self._name = tempfile.mkstemp(prefix="save-", dir=self._folder)
        self._file, self._hash = open(fd, "wb", buffering=0), hashlib.sha1()
        self._put(self._memory.getvalue())
        self._memory = None

    def _put(self, data):
        view = memoryview(data).cast("B")
        for at in range(0, len(view), STEP):
            part = view[at : at + STEP]
            self._hash.update(part)
            while part:
                part = part[self._file.write(part) :]

    def done(self):
        if self._file is None:
            return self._memory.getvalue()
        self._file.close()
        return Spooled(self._name, self._size, self._hash.hexdigest())

    def discard(self):
        if self._file is not None:
            self._file.close()
            _remove(self._name)


def _remove(file):
    try:
        os.unlink(file)
    except OSError:
        pass  # it is gone, or goes with its folder
