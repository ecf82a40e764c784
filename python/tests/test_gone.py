"""A launcher that goes in the middle of a call: the caller is told, whichever
way it came, and does not wait."""

import json
import os
import socket
import subprocess
import sys

from deploying import ROOT

# By the op that the launcher does not live to answer, as calls of Metaflow's.
CALLS = {
    "save": "store.save_bytes([('F/1/s/t/0.x', io.BytesIO(b'x'))])",
    "save of a file": "store.save_bytes([('F/1/s/t/0.x', io.BytesIO(bytes(1 << 20)))])",
    "load": "list(store.load_bytes(['F/1/s/t/0.x']).__enter__())",
    "is_file": "store.is_file(['F/1/s/t/0.x'])",
    "info": "store.info_file('F/1/s/t/0.x')",
    "size": "store.size_file('F/1/s/t/0.x')",
    "list": "store.list_content(['F/1'])",
    "delete": "store.delete_files(['mf.checkpoints/x'])",
    "load of an included file": "included.S3Client().get('s3://bucket/data/F/a1')",
    "size of an included file": "included.S3Client().info('s3://bucket/data/F/a1')",
    "save of an included file": "included.LocalClient().put('/data/F/a1', b'x')",
    "save of a card": "cards.save_card('uuid', 'blank', '<html></html>')",
    "metadata": "provider.LauncherMetadataProvider._call('GET', '/flows/F', None)",
    "transition": "wire.call('transition', attempt=0)",
}

CODE = """
import io, json, os, sys
import metaflow
from metaflow.datastore.flow_datastore import FlowDataStore
from metaflow.plugins.cards.card_datastore import CardDatastore
# Now that Metaflow is complete: it is not to end with its launcher.
os.environ["MILLRACE_SOCKET"] = sys.argv[1]
sys.path.insert(0, %r)
from metaflow_extensions.millrace_runtime.plugins import included, provider, storage, wire
store = storage.S3Storage("s3://bucket/root")
CardDatastore.get_storage_root = classmethod(lambda cls, kind: "s3://bucket/cards")
cards = CardDatastore(FlowDataStore("F", None, storage_impl=storage.S3Storage, ds_root="s3://bucket/root"), pathspec="F/1/s/t")
said = {}
for name, call in json.loads(sys.argv[2]).items():
    try:
        exec(call)
        said[name] = "nothing"
    except Exception as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def test_gone_in_the_middle(launcher, tmp_path):
    def hang_up(request):
        for conn in list(launcher._open):
            conn.shutdown(socket.SHUT_RDWR)

    ops = {name: name.partition(" ")[0] for name in CALLS}
    launcher.refusals = dict.fromkeys(ops.values(), hang_up)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "METAFLOW_USER": "tester", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CODE % str(ROOT / "python"), launcher.path, json.dumps(CALLS)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.keys() == CALLS.keys()
    for name, op in ops.items():
        # Metaflow's own errors of the service and the like quote ours.
        assert said[name].endswith("the launcher could not %s: it closed the connection (gone)" % op), (name, said[name])
    assert not list((tmp_path / "spool").glob("save-*"))
