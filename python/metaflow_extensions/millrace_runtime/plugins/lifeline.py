"""Ends the process when the launcher is gone.

A task whose launcher died can neither write nor report, and its next attempt
may be running elsewhere already. Besides the signal that the kernel sends a
direct child of the launcher (PDEATHSIG), every process that loads the shim
holds one idle connection, and the end of that connection is its own end.

On Linux the kernel watches: the socket is asked to signal its owner, which
costs no thread (user code may fork) and works while C code holds Python's
lock. The owner is the whole process group where we lead it, as the launcher's
child does, so what the user's code has started goes too. Elsewhere a thread
waits.
"""

import os
import select
import signal
import sys
import threading

from . import wire

_held = []


def attach():
    try:
        conn = wire.Connection(wire.socket_path())
    except wire.LauncherError as error:
        # Metaflow would take an exception here for a broken plug-in, ignore
        # all extensions, and write to the store behind the launcher's back.
        print("millrace: %s; the task ends" % error, file=sys.stderr, flush=True)
        os._exit(1)
    _held.append(conn)
    if not _ask_kernel(conn.fileno()):
        threading.Thread(target=_wait, args=(conn.fileno(),), name="millrace-lifeline", daemon=True).start()
        return
    # What happened before the kernel listened makes no signal.
    if _ended(conn.fileno(), 0):
        _end()


def _ask_kernel(fd):
    if not sys.platform.startswith("linux"):
        return False
    try:
        import fcntl

        set_signal = getattr(fcntl, "F_SETSIG", 10)
        fcntl.fcntl(fd, fcntl.F_SETOWN, -os.getpgrp() if _leads() else os.getpid())
        fcntl.fcntl(fd, set_signal, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    except (OSError, AttributeError, ImportError):
        return False
    return True


def _leads():
    return os.getpgrp() == os.getpid()


def _ended(fd, timeout_ms):
    """The launcher sends nothing here: anything to read is the end."""
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(timeout_ms))


def _wait(fd):
    if _ended(fd, None):
        _end()


def _end():
    os.kill(-os.getpgrp() if _leads() else os.getpid(), signal.SIGKILL)
