"""Stands for the `driver` program: keeps what it was called with, and answers
as `deploy`, `deployed`, `compile`, `trigger` and `status` do."""

import hashlib
import json
import os
import pathlib
import sys


def main():
    folder = pathlib.Path(os.environ["RECORDING"])
    arguments = sys.argv[1:]
    call = {"arguments": arguments}
    if "--definition" in arguments:
        call["definition"] = json.loads(pathlib.Path(arguments[arguments.index("--definition") + 1]).read_text(encoding="utf-8"))
    if "--parameters" in arguments:
        call["parameters"] = json.loads(sys.stdin.buffer.read())
    for name in ("call", arguments[0]):
        (folder / (name + ".json")).write_text(json.dumps(call), encoding="utf-8")
    failure = folder / "failure"
    if failure.exists():
        sys.exit(failure.read_text())
    if arguments[0] == "deploy":
        deployed = pathlib.Path(arguments[arguments.index("--definition") + 1]).read_bytes()
        url = arguments[arguments.index("--definition-url") + 1]
        (folder / "version.json").write_text(
            json.dumps({"version": "v1", "definition_url": url, "definition_sha256": hashlib.sha256(deployed).hexdigest()})
        )
    if arguments[0] == "deployed":
        print((folder / "version.json").read_text())
    elif arguments[0] == "compile":
        print("the pipeline")
    elif arguments[0] == "status" and "--json" not in arguments:
        print("a table")
    else:
        print(json.dumps({"run_id": "kfp-0a1b", "pipeline": "p", "version": "v1", "url": "https://kfp.example/#/x", "kfp_state": "RUNNING"}))


if __name__ == "__main__":
    main()
