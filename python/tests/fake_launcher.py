"""A launcher as a task sees it: a real unix socket that speaks frames, over a
store and a metadata service in memory. Everything asked for is kept."""

import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import struct
import tempfile
import threading

CONTENT = re.compile(r"^[^/]+/data/../([0-9a-f]{40})$")
LENGTH = struct.Struct(">I")
VERSION = "2.5.1"


class Refusal(Exception):
    def __init__(self, kind, message):
        self.kind, self.message = kind, message
        super().__init__(message)


class FakeLauncher:
    """Serves until close(); `requests` holds (pid, request) in order."""

    def __init__(self, folder):
        self.path, self.spool = str(folder / "s"), str(folder / "spool")
        os.mkdir(self.spool)
        self.objects, self.metas, self.rows = {}, {}, {}
        self.requests, self.notes, self.troubles, self.transitions, self.saved_as_file = [], [], [], [], set()
        self.refusals = {}  # op -> Refusal, or a function of the request
        self._lock, self._open, self._threads = threading.RLock(), set(), []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self):
        """What the end of the launcher is for its child."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            open_now = list(self._open)
        for conn in open_now:
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._accepting.join()
        for thread in self._threads:
            thread.join()

    def asked(self, op):
        with self._lock:
            return [request for _, request in self.requests if request["op"] == op]

    def pids(self, op):
        with self._lock:
            return [pid for pid, request in self.requests if request["op"] == op]

    def under(self, prefix):
        with self._lock:
            return sorted(path for _, path in self.objects if path.startswith(prefix))

    def read(self, path):
        with self._lock:
            return next(data for (_, p), data in self.objects.items() if p == path)

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(conn)
            thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, conn):
        stream, pid = conn.makefile("rwb"), None
        try:
            while True:
                head = stream.read(LENGTH.size)
                if len(head) < LENGTH.size:
                    return
                body = stream.read(LENGTH.unpack(head)[0])
                assert len(body) <= 1 << 20
                request = json.loads(body.decode("utf-8", "surrogatepass"))
                pid = request["pid"] if request["op"] == "hello" else pid
                reply = self._answer(pid, request)
                data = json.dumps(reply).encode()
                stream.write(LENGTH.pack(len(data)) + data)
                stream.flush()
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(conn)
            with contextlib.suppress(OSError):  # a reply that nobody took is still in it
                stream.close()
            conn.close()

    def _answer(self, pid, request):
        with self._lock:
            self.requests.append((pid, request))
            try:
                refusal = self.refusals.get(request["op"])
                refusal = refusal(request) if callable(refusal) else refusal
                if refusal:
                    raise refusal
                return {"ok": True, **(getattr(self, "do_" + request["op"])(request) or {})}
            except Refusal as error:
                return {"ok": False, "class": error.kind, "message": error.message}

    def do_hello(self, request):
        return {"protocol": 1, "spool": self.spool}

    def do_note(self, request):
        self.notes.append(request["message"])

    def do_trouble(self, request):
        self.troubles.append(request["message"])

    def do_transition(self, request):
        self.transitions.append({k: v for k, v in request.items() if k != "op"})

    def do_is_file(self, request):
        return {"exists": [(request["root"], path) in self.objects for path in request["paths"]]}

    def do_info(self, request):
        key = (request["root"], request["path"])
        return {"exists": key in self.objects, "meta": self.metas.get(key)}

    def do_size(self, request):
        data = self.objects.get((request["root"], request["path"]))
        return {"size": None if data is None else len(data)}

    def do_list(self, request):
        entries = {}
        for folder in request["paths"]:
            prefix = folder.rstrip("/") + "/" if folder else ""
            for root, path in self.objects:
                if root == request["root"] and path.startswith(prefix):
                    name, slash, _ = path[len(prefix) :].partition("/")
                    entries[prefix + name] = not slash
        return {"entries": [{"path": path, "is_file": is_file} for path, is_file in entries.items()]}

    def do_save(self, request):
        for item in request["items"]:
            if "file" in item:
                assert os.path.dirname(item["file"]) == self.spool
                with open(item["file"], "rb") as f:
                    data = f.read()
                os.unlink(item["file"])
                self.saved_as_file.add(item["path"])
            else:
                data = base64.b64decode(item["data"])
            content = CONTENT.search(item["path"])
            if content and hashlib.sha1(data).hexdigest() != content.group(1):
                raise Refusal("invalid", "%s: the content is another" % item["path"])
            key = (request["root"], item["path"])
            if request["overwrite"] or key not in self.objects:
                self.objects[key], self.metas[key] = data, item["meta"]

    def do_delete(self, request):
        for root, path in list(self.objects):
            if root == request["root"] and any(path == one or request["below"] and path.startswith(one + "/") for one in request["paths"]):
                del self.objects[root, path]

    def do_load(self, request):
        files = []
        for path in request["paths"]:
            data = self.objects.get((request["root"], path))
            entry = {"path": path}
            if data is not None:
                fd, entry["file"] = tempfile.mkstemp(dir=self.spool)
                with os.fdopen(fd, "wb") as f:
                    f.write(data)
                if self.metas.get((request["root"], path)):
                    entry["meta"] = {"cas_raw": True, "cas_version": 1}
            files.append(entry)
        return {"files": files}

    def do_metadata(self, request):
        method, path, body = request["method"], request["path"].partition("?")[0], request.get("body")
        status, reply = self._metadata(method, path, body)
        return {"status": status, "body": reply, "version": VERSION}

    def _metadata(self, method, path, body):
        if path == "/ping":
            return 200, "pong"
        if method == "GET":
            if path in self.rows:
                return 200, self.rows[path]
            children = [row for p, row in self.rows.items() if p.startswith(path + "/") and "/" not in p[len(path) + 1 :]]
            return (200, children) if children else (404, {})
        if path.endswith(("/metadata", "/artifact")):
            kind = path.rsplit("/", 1)[1]
            for row in body:
                name = "%s/%s" % (path + "s" if kind == "artifact" else path, row["name" if kind == "artifact" else "field_name"])
                self.rows[name] = row
            return 200, {kind + "s_created": len(body)}
        parts = path.split("/")
        if parts[-1] in ("run", "step", "task"):
            key = {"run": "run_number", "step": "step_name", "task": "task_id"}[parts[-1]]
            path = "/".join(parts[:-1])
            if parts[-1] != "step":
                path += "/%ss/%s" % (parts[-1], body[key])
        if path in self.rows:
            return 409, {}
        self.rows[path] = body
        return 200, body
