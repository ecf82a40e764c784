"""Large pickled artifacts, unpickled from the file they come in.

Metaflow reads the whole file and unpickles what it has read, so that for a
moment an artifact is in memory two times, and a third time where the spool
folder is memory too. Unpickled from the file it is there once: the file is
read into the object, and where it takes memory it shrinks as the object grows.
"""

import io
import mmap
import pickle

from . import wire

# Of smaller pickles a copy is nothing, and Metaflow fetches several at once.
LARGE = 1 << 20
# What is read ahead: more than a frame of a pickle (64 KiB).
BUFFER = 256 << 10
# How much is read before it is given back.
STEP = 16 << 20


def check():
    """Raises when Metaflow has not what this goes by."""
    from metaflow.datastore.content_addressed_store import ContentAddressedStore
    from metaflow.datastore.datastore_set import ImmutableBlobCache

    for owner, name in ((ContentAddressedStore, "load_blobs"), (ImmutableBlobCache, "load_key")):
        getattr(owner, name)


def large(datastore, names):
    """Those of the artifacts that Metaflow would do nothing else with than
    unpickle them from memory."""
    return [name for name in names if _is_large(datastore, name) and not _is_cached(datastore, name)]


def _is_large(datastore, name):
    info = (datastore._info or {}).get(name)
    return isinstance(info, dict) and info.get("size", 0) >= LARGE and name in datastore._objects and _is_pickle(datastore, info)


def _is_pickle(datastore, info):
    if not str(info.get("encoding")).endswith(("pickle-v2", "pickle-v4")):
        return False
    serializers = getattr(datastore, "_serializers", None)
    if serializers is None:  # before there were any: all is pickled
        return info["encoding"] in datastore._encodings
    from metaflow.datastore.artifacts.serializer import SerializationMetadata
    from metaflow.plugins.datastores.serializers.pickle_serializer import PickleSerializer

    metadata = SerializationMetadata(
        obj_type=info.get("type", "object"), size=info["size"], encoding=info["encoding"], serializer_info=info.get("serializer_info", {})
    )
    try:
        return next((s for s in serializers if s.can_deserialize(metadata)), None) is PickleSerializer
    except Exception:
        return False  # Metaflow notes it and asks the next one


def _is_cached(datastore, name):
    """Whether a cache has the content, or wants it: the client's keeps what it
    is shown. That of a join only has what was put into it."""
    from metaflow.datastore.datastore_set import ImmutableBlobCache

    cache = datastore._ca_store._blob_cache
    if cache is None:
        return False
    return type(cache) is not ImmutableBlobCache or cache.load_key(datastore._objects[name]) is not None


def load(datastore, names):
    """The names and objects, one file at a time."""
    store, storage = datastore._ca_store, datastore._storage_impl
    named = {}
    for name in names:
        named.setdefault(datastore._objects[name], []).append(name)
    for key, same in named.items():
        with storage.load_bytes([storage.path_join(store._prefix, key[:2], key)]) as loaded:
            for _, file, _ in loaded:
                # Each name has an object of its own, as Metaflow wants it.
                for name in same[:-1]:
                    yield name, _unpickled(file, False)
                yield same[-1], _unpickled(file, wire.connection().hello.get("spool_in_memory"))


def _unpickled(file, shrinking):
    with io.BufferedReader(_Shrinking(file) if shrinking else io.FileIO(file), BUFFER) as f:
        return pickle.load(f)


class _Shrinking(io.FileIO):
    """A file of ours that gives back the memory of what was read of it."""

    def __init__(self, file):
        super().__init__(file, "r+")
        self._read = self._freed = 0
        size = self.seek(0, io.SEEK_END)
        self.seek(0)
        try:
            self._pages = mmap.mmap(self.fileno(), size) if size else None
        except (OSError, ValueError):  # no address space: it stays as it is
            self._pages = None

    def readinto(self, buffer):
        n = super().readinto(memoryview(buffer)[:STEP])
        self._read += n or 0
        if self._pages is not None and self._read - self._freed >= STEP:
            self._free()
        return n

    def _free(self):
        until = self._read // mmap.PAGESIZE * mmap.PAGESIZE
        try:
            self._pages.madvise(mmap.MADV_REMOVE, self._freed, until - self._freed)
        except (AttributeError, OSError):
            pass  # this system cannot
        self._freed = until

    def close(self):
        if getattr(self, "_pages", None) is not None:
            self._pages.close()
            self._pages = None
        super().close()
