"""The client of the launcher's socket.

A frame is a length of four bytes, big-endian, and a JSON object in UTF-8. On
one connection a reply follows each request; every thread of every process has
a connection of its own, made when it first asks for something.
"""

import json
import os
import socket
import struct
import sys
import threading

PROTOCOL = 1
SHIM = "0.1.0"
MAX_FRAME = 1 << 20

_LENGTH = struct.Struct(">I")


class LauncherError(Exception):
    """What the launcher answers when it cannot do what was asked.

    kind is one of not_found, exists, permission, transient, fenced, invalid,
    internal.
    """

    def __init__(self, op, kind, message):
        self.op, self.kind, self.message = op, kind, message
        super().__init__("the launcher could not %s: %s (%s)" % (op, message, kind))

    def __reduce__(self):
        return type(self), (self.op, self.kind, self.message)


class LauncherGone(LauncherError):
    """The launcher's end of the socket is closed; the task cannot go on."""

    def __init__(self, op, message):
        super().__init__(op, "gone", message)

    def __reduce__(self):
        return type(self), (self.op, self.message)


class FrameTooLarge(ValueError):
    """The request does not fit a frame; the caller splits it."""


class Connection:
    """One connection; not for several threads."""

    def __init__(self, path):
        self.pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise LauncherGone("connect", "%s: %s" % (path, error)) from error
        try:
            self.hello = self.call({"op": "hello", "protocol": PROTOCOL, "pid": self.pid, "shim": SHIM})
        except BaseException:
            self.close()
            raise
        if self.hello.get("protocol") != PROTOCOL:
            self.close()
            raise LauncherError("hello", "invalid", "it speaks protocol %r, this shim %d" % (self.hello.get("protocol"), PROTOCOL))

    def call(self, request):
        op = request["op"]
        body = json.dumps(request, separators=(",", ":")).encode("utf-8", "surrogatepass")
        if len(body) > MAX_FRAME:
            raise FrameTooLarge("%s: %d bytes" % (op, len(body)))
        try:
            self._socket.sendall(_LENGTH.pack(len(body)) + body)
            (length,) = _LENGTH.unpack(self._read(op, _LENGTH.size))
            if length > MAX_FRAME:
                raise LauncherError(op, "internal", "it announced a frame of %d bytes" % length)
            reply = json.loads(self._read(op, length))
            if isinstance(reply, dict) and reply.get("reply_file"):
                reply = _read_spooled(reply["reply_file"])
        except OSError as error:
            raise LauncherGone(op, str(error)) from error
        if not isinstance(reply, dict) or not reply.get("ok"):
            reply = reply if isinstance(reply, dict) else {}
            raise LauncherError(op, reply.get("class", "internal"), reply.get("message", "no reason given"))
        return reply

    def _read(self, op, count):
        buffer = bytearray(count)
        view, got = memoryview(buffer), 0
        while got < count:
            n = self._socket.recv_into(view[got:])
            if n == 0:
                raise LauncherGone(op, "it closed the connection")
            got += n
        return bytes(buffer)

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()


def _read_spooled(name):
    """A reply that fits no frame comes as a file of ours."""
    with open(name, "rb") as f:
        os.unlink(name)
        return json.load(f)


_mine = threading.local()


def socket_path():
    return os.environ.get("MILLRACE_SOCKET")


def connection():
    """The calling thread's connection. A child made by fork finds its
    parent's, whose stream is not its own, and leaves it for a new one."""
    conn = getattr(_mine, "conn", None)
    if conn is None or conn.pid != os.getpid():
        path = socket_path()
        if not path:
            raise LauncherGone("connect", "MILLRACE_SOCKET is not set")
        if conn is not None:
            conn.close()
        _mine.conn = conn = Connection(path)
    return conn


def call(op, **fields):
    """One request and its reply.

    Whatever interrupts it, @timeout's alarm for one, leaves the stream in the
    middle of a frame: the connection is given up, the next call makes another.
    """
    conn = connection()
    try:
        return conn.call({"op": op, **fields})
    except FrameTooLarge:
        raise
    except LauncherError as error:
        if isinstance(error, LauncherGone):
            _drop(conn)
        raise
    except BaseException:
        _drop(conn)
        raise


def _drop(conn):
    if getattr(_mine, "conn", None) is conn:
        _mine.conn = None
    conn.close()


def note(message):
    """A line for the task's log. Saying something is never worth failing for."""
    try:
        call("note", message=str(message))
    except Exception as error:
        print("millrace: %s (%s)" % (message, error), file=sys.stderr)
