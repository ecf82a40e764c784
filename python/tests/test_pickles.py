"""Large artifacts, which are pickled into and unpickled from files."""

import hashlib
import importlib
import io
import os
import pickle
import threading

import metaflow
import pytest
from deploying import ROOT, User, write_flow
from fake_launcher import Refusal
from tasks import Deployed

# What Metaflow itself reads, and gives its deserializers, is noted down.
BEFORE = '''
import hashlib
import pickle
from metaflow.datastore.content_addressed_store import ContentAddressedStore

LARGE = 1 << 20
READ = []
stock = ContentAddressedStore.load_blobs


def load_blobs(self, keys, *arguments, **options):
    for key, blob in stock(self, keys, *arguments, **options):
        READ.append(len(blob))
        yield key, blob


ContentAddressedStore.load_blobs = load_blobs

try:
    from metaflow.datastore.artifacts.serializer import ArtifactSerializer, SerializationMetadata, SerializedBlob, SerializerStore
except ImportError:
    pass
else:

    class Reversed(ArtifactSerializer):
        TYPE = "reversed"
        PRIORITY = 1

        @classmethod
        def can_serialize(cls, obj):
            return isinstance(obj, bytearray)

        @classmethod
        def serialize(cls, obj, format=None):
            return [SerializedBlob(bytes(obj[::-1]))], SerializationMetadata("bytearray", len(obj), "pickle-v4", {"by": "reversed"})

        @classmethod
        def can_deserialize(cls, metadata):
            return metadata.serializer_info.get("by") == "reversed"

        @classmethod
        def deserialize(cls, data, metadata=None, format=None):
            assert type(data[0]) is bytes
            return bytearray(data[0][::-1])

    SerializerStore._active_serializers.add(Reversed)
    SerializerStore._ordered_cache = None


def pickled(size):
    return b"x" * (size - len(pickle.dumps(bytes(size), protocol=4)) + size)


'''
BODY = '''
@step
def start(self):
    self.exact, self.twin, self.below = pickled(LARGE), pickled(LARGE), pickled(LARGE - 1)
    self.many = [{"text": "%d" % i, "data": bytes([i]) * (100 << 10)} for i in range(30)]
    self.many.append(self.many)
    self.other = bytearray(b"not a pickle" * (LARGE >> 3))
    self.xs = [1, 2]
    self.loop = [self.exact] * 2
    self.array = __import__("array").array("d", bytes(LARGE * 2))
    self.text = "\u1234" * LARGE
    artifacts = {name: value for name, value in vars(self).items() if not name.startswith("_")}
    self.sizes = {name: len(pickle.dumps(value, protocol=4)) for name, value in artifacts.items()}
    self.hashes = {name: hashlib.sha1(pickle.dumps(value, protocol=4)).hexdigest() for name, value in artifacts.items()}
    self.next(self.work, foreach="xs")

@step
def work(self):
    info, objects = self._datastore._info, self._datastore._objects
    del self.hashes["other"], self.sizes["other"]  # not pickled
    assert self.hashes == {name: objects[name] for name in self.hashes}
    assert self.sizes == {name: info[name]["size"] for name in self.sizes}, self.sizes
    del READ[:]
    assert self.exact == self.twin == pickled(LARGE) and self.exact is not self.twin
    assert len(self.many) == 31 and self.many[30] is self.many and self.many[29] == {"text": "29", "data": bytes([29]) * (100 << 10)}
    assert not READ, list(READ)
    assert self.below == pickled(LARGE - 1)
    assert READ == [LARGE - 1], list(READ)
    assert self.other == bytearray(b"not a pickle" * (LARGE >> 3))
    assert len(READ) == EXPECTED, list(READ)
    self.own = self.input * pickled(LARGE)
    self.next(self.join)

@step
def join(self, inputs):
    del READ[:]
    assert [len(i.own) for i in inputs] == [len(pickled(LARGE)), 2 * len(pickled(LARGE))]
    assert not READ, list(READ)
    both = dict(inputs[0]._datastore.load_artifacts(["own", "below"]))
    assert READ == [LARGE - 1] and len(both["own"]) == len(pickled(LARGE))
    self.next(self.end)

@step
def end(self):
    pass
'''


@pytest.fixture
def pickles(launcher, monkeypatch):
    monkeypatch.setenv("MILLRACE_SOCKET", launcher.path)
    monkeypatch.syspath_prepend(str(ROOT / "python"))
    return importlib.import_module("metaflow_extensions.millrace_runtime.plugins.pickles")


@pytest.fixture
def pickling(pickles):
    module = importlib.import_module("metaflow_extensions.millrace_runtime.plugins.pickling")
    module._saving = threading.local()
    yield module
    module._saving = threading.local()


def test_large_artifacts(launcher, tmp_path):
    folder = tmp_path / "flow"
    folder.mkdir()
    # The one with a serializer of its own is read by it where Metaflow knows such.
    expected = 1 if metaflow.__version__.startswith("2.18.") else 2
    deployed = Deployed(User(tmp_path / "user"), write_flow(folder, BODY.replace("EXPECTED", str(expected)), before=BEFORE.lstrip()))
    deployed.init(tmp_path, launcher)
    deployed.step(tmp_path, launcher, "start")
    for split in (0, 1):
        deployed.step(tmp_path, launcher, "work", inputs="start/task", task="w-%d" % split, split=split)
    deployed.step(tmp_path, launcher, "join", inputs="work/w-0,work/w-1")
    assert not launcher.notes
    assert not os.listdir(launcher.spool)
    # What the launcher says of a broken one is what the log says.
    says = "artifact 'own' of work/w-1: its 12 bytes have another SHA-1"
    launcher.refusals["load"] = lambda request: any(len(launcher.objects[request["root"], p]) > 3 << 19 for p in request["paths"]) and Refusal("internal", says)
    done = deployed.step(tmp_path, launcher, "join", inputs="work/w-0,work/w-1", expect=1)
    assert says in done.stderr


def test_a_file_in_memory_shrinks(pickles, tmp_path):
    file = tmp_path / "loaded"
    content = [bytes([i]) * (7 << 20) for i in range(7)]
    file.write_bytes(pickle.dumps(content, protocol=4))
    before = os.stat(file).st_blocks
    with io.BufferedReader(pickles._Shrinking(str(file)), pickles.BUFFER) as f:
        assert pickle.load(f) == content
        assert os.stat(file).st_blocks < before / 2
    file.write_bytes(pickle.dumps(content, protocol=4)[:-100])
    with pytest.raises(pickle.UnpicklingError, match="truncated"):
        pickles._unpickled(str(file), True)
    file.write_bytes(b"")
    with pytest.raises(EOFError):
        pickles._unpickled(str(file), True)


def test_more_than_one_read_takes(pickles, tmp_path, monkeypatch):
    """Linux reads at most 2 GiB at once."""
    monkeypatch.setattr(pickles, "STEP", 1000)
    file = tmp_path / "loaded"
    file.write_bytes(pickle.dumps(bytes(range(256)) * 5000, protocol=4))
    assert pickles._unpickled(str(file), True) == bytes(range(256)) * 5000


def test_left_to_metaflow(pickles):
    """Where a cache is to see the content, or the datastore is not as it should be."""

    class Store:
        _blob_cache = object()

    class Datastore:
        _info = {"x": {"size": 1 << 20, "encoding": "gzip+pickle-v4"}}
        _objects = {"x": "a" * 40}
        _encodings = {"gzip+pickle-v4"}
        _ca_store = Store()

    assert pickles.large(Datastore(), ["x"]) == []
    Store._blob_cache = None
    assert pickles.large(Datastore(), ["x", "y"]) == ["x"]
    Datastore._info = None
    assert pickles.large(Datastore(), ["x"]) == []


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_large_pickle_is_written_to_a_file(pickling, tmp_path, over):
    """The same bytes that Metaflow makes, which are the artifact's name."""
    dumps = pickling._Pickle().dumps
    obj = [bytes(1000)] * 3 + list(range(100_000)) + ["x" * 70_000, ("deep", {"numbers": [1.5] * 1000})]
    plain = pickle.dumps(obj, protocol=4)
    obj.append(b"x" * (pickling.LARGE + over - len(plain) - 6))
    plain = pickle.dumps(obj, protocol=4)
    assert len(plain) == pickling.LARGE + over
    pickling._saving.folder = str(tmp_path)
    made = dumps(obj, protocol=4)
    assert len(made) == len(plain) and pickling._sha1(made).hexdigest() == hashlib.sha1(plain).hexdigest()
    assert isinstance(made, pickling.Spooled) == (over >= 0)
    if over >= 0:
        assert made.content() == plain
        made.discard()
    assert list(tmp_path.glob("save-*")) == []


def test_what_cannot_be_pickled_leaves_no_file(pickling, tmp_path):
    pickling._saving.folder = str(tmp_path)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickling._Pickle().dumps([bytes(3 << 20), threading.Lock()], protocol=4)
    assert list(tmp_path.glob("save-*")) == []
    pickling._saving.folder = str(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        pickling._Pickle().dumps(bytes(3 << 20), protocol=4)


def test_as_ever_outside_of_a_save(pickling):
    assert pickling._Pickle().dumps(bytes(2 << 20), protocol=4) == pickle.dumps(bytes(2 << 20), protocol=4)
    assert pickling._Pickle().loads is pickle.loads


@pytest.mark.parametrize("in_memory", [True, False])
def test_saves_go_in_portions_where_files_take_memory(pickling, tmp_path, in_memory):
    storage = importlib.import_module("metaflow_extensions.millrace_runtime.plugins.storage")
    batch = storage._Batch({"spool": str(tmp_path), "spool_in_memory": in_memory})
    for i, size in enumerate((40 << 20, 24 << 20)):
        assert not batch.full()
        sha = "%040x" % i
        for _ in range(2):  # equal artifacts of one task are one object
            file = tmp_path / ("save-%d" % i)
            batch.add("F/data/00/" + sha, pickling.Spooled(str(file), size, sha), {"cas_raw": False, "cas_version": 1})
    assert bool(batch.full()) == in_memory
    assert [item["file"] for item in batch.items] == [str(tmp_path / "save-0"), str(tmp_path / "save-1")]
