"""The files of IncludeFile, read through the launcher.

Metaflow reads them with clients of their own kind, of which that for S3 needs
boto3 and a key. These are stores under another name: the folder of a file is
the root, the file is what lies in it. On Google's and Azure's stores Metaflow
does so itself.
"""

import io
import os
import shutil
import tempfile

from metaflow import metaflow_config

from .storage import LocalStorage, S3Storage


class LauncherClient:
    TYPE = None
    _storage = None

    def __init__(self):
        self._folder = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def get(self, key=None, return_missing=False):
        url, storage, name = self._place(key)
        with storage.load_bytes([name]) as loaded:
            for _, file, _ in loaded:
                if file is not None:
                    return Included(url, self._kept(file))
        return self._missing(url, return_missing)

    def info(self, key=None, return_missing=False):
        url, storage, name = self._place(key)
        size = storage.size_file(name)
        if size is None:
            return self._missing(url, return_missing)
        return Included(url, None, size)

    def put(self, key, obj, overwrite=True):
        url, storage, name = self._place(key)
        storage.save_bytes([(name, io.BytesIO(obj))], overwrite=overwrite)
        return url

    def _place(self, key):
        """The URL, the store of its folder, and its name in there."""
        root, _, name = self._path(key).rpartition("/")
        return self._url(key), self._storage(root), name

    def _path(self, key):
        return key

    def _url(self, key):
        return key

    def _kept(self, file):
        """What was loaded is the reader's until this client is closed."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="included-")
        kept = os.path.join(self._folder, os.path.basename(file))
        shutil.move(file, kept)
        return kept

    def _missing(self, url, allowed):
        if not allowed:
            raise FileNotFoundError("%s does not exist" % url)
        return Included(url)


class Included:
    """One file, or its absence."""

    def __init__(self, url, path=None, size=None):
        self.url, self.path = url, path
        self.size = os.path.getsize(path) if path else size

    @property
    def exists(self):
        return self.size is not None


class S3Client(LauncherClient):
    TYPE = "s3"
    _storage = S3Storage

    @classmethod
    def get_root_from_config(cls, echo, create_on_absent=True):
        return metaflow_config.DATATOOLS_S3ROOT


class LocalClient(LauncherClient):
    TYPE = "local"
    _storage = LocalStorage
    _SCHEME = "local://"

    @classmethod
    def get_root_from_config(cls, echo, create_on_absent=True):
        root = metaflow_config.DATATOOLS_LOCALROOT
        return root or os.path.join(LocalStorage.get_datastore_root_from_config(echo), metaflow_config.DATATOOLS_SUFFIX)

    def _path(self, key):
        return key[len(self._SCHEME) :] if key.startswith(self._SCHEME) else os.path.abspath(key)

    def _url(self, key):
        return self._SCHEME + self._path(key)
