"""Flows of every shape that Metaflow's lint accepts, in a notation of one line
per step, from which the flow's source is made:

    start -> a, b             branches            start -> a * xs    foreach over xs
    start -> a | 4            num_parallel        >join -> end       takes inputs
    start -> 'x': a, 2: b ? way                   a switch on self.way
"""

import re

SHAPES = {
    "one step": "start",
    "linear": "start -> a; a -> end; end",
    "branches": "start -> a, b, c; a -> join; b -> join; c -> join; >join -> end; end",
    "branches in a branch": "start -> a, b; a -> c, d; c -> inner; d -> inner; >inner -> outer; b -> outer; >outer -> end; end",
    "branches after a join": "start -> a, b; a -> j; b -> j; >j -> mid; mid -> c, d; c -> k; d -> k; >k -> end; end",
    "foreach": "start -> work * xs; work -> more; more -> join; >join -> end; end",
    "foreach in a foreach in a foreach": (
        "start -> a * xs; a -> b * xs; b -> c * xs; c -> j3; >j3 -> j2; >j2 -> mid; mid -> j1; >j1 -> end; end"
    ),
    "foreach in a branch": "start -> a, b; a -> work * xs; work -> join; >join -> all; b -> all; >all -> end; end",
    "branches in a foreach": "start -> split * xs; split -> a, b; a -> join; b -> join; >join -> all; >all -> end; end",
    "switch": "start -> 'x': a, 'y': b ? way; a -> end; b -> end; end",
    "switch on numbers and bools": "start -> 2: a, True: b, 2.5: c ? way; a -> end; b -> end; c -> end; end",
    "switch to a foreach": "start -> 'x': a, 'y': b ? way; a -> work * xs; work -> join; >join -> meet; b -> meet; meet -> end; end",
    "switch to branches": "start -> 'x': a, 'y': b ? way; a -> c, d; c -> join; d -> join; >join -> meet; b -> meet; meet -> end; end",
    "switch after a switch": "start -> 'x': a, 'y': b ? way; a -> 'x': c, 'y': d ? way; c -> end; d -> end; b -> end; end",
    "two keys, one target": "start -> 'x': a, 'y': a, 'z': b ? way; a -> end; b -> end; end",
    "all keys, one target": "start -> 'x': a, 'y': a ? way; a -> end; end",
    "a step of two switches": (
        "start -> 'x': s, 'y': t ? way; s -> 'x': a, 'y': shared ? way; t -> 'x': shared, 'y': b ? way; "
        "a -> end; shared -> end; b -> end; end"
    ),
    "a branch skips to the end": "start -> 'x': a, 'y': end ? way; a -> end; end",
    "switch in a foreach": "start -> s * xs; s -> 'x': a, 'y': b ? way; a -> join; b -> join; >join -> end; end",
    "switch in a branch": "start -> s, c; s -> 'x': a, 'y': b ? way; a -> join; b -> join; c -> join; >join -> end; end",
    "loop": "start -> loop; loop -> 'again': loop, 'done': end ? way; end",
    "loop with two ways out": "start -> loop; loop -> 'again': loop, 'x': a, 'y': end ? way; a -> end; end",
    "two loops": "start -> l; l -> 'again': l, 'on': m ? way; m -> 'again': m, 'on': end ? way; end",
    "loop in a foreach": "start -> loop * xs; loop -> 'again': loop, 'done': out ? way; out -> join; >join -> end; end",
    "gang": "start -> train | 4; train -> join; >join -> end; end",
    "gang of a number known when it runs": "start -> train | self.n; train -> join; >join -> end; end",
    "gang in a foreach": "start -> size * xs; size -> train | 2; train -> join; >join -> all; >all -> end; end",
    "gang in a branch": "start -> size, b; size -> train | 2; train -> join; >join -> all; b -> all; >all -> end; end",
    "gang after a switch": "start -> 'x': size, 'y': b ? way; size -> train | 2; train -> join; >join -> meet; b -> meet; meet -> end; end",
    "everything": (
        "start -> a, s; a -> loop * xs; loop -> 'again': loop, 'done': out ? way; out -> 'x': size, 'y': c ? way; size -> train | 2; "
        "train -> gathered; >gathered -> meet; c -> meet; meet -> joined; >joined -> all; s -> 'x': d, 'y': e ? way; d -> all; e -> all; "
        ">all -> end; end"
    ),
}

_CASE = re.compile(r"(\S+): (\w+)")


def lines(shape):
    """(takes inputs, name, what follows) of each step."""
    for line in shape.split(";"):
        name, _, after = line.strip().partition(" -> ")
        yield name.startswith(">"), name.lstrip(">"), after


def body(shape, marks=None):
    """The class body; marks are arguments of @step by step."""
    out = []
    parallel = {after.split(" | ")[0] for _, _, after in lines(shape) if " | " in after}
    for takes_inputs, name, after in lines(shape):
        if name in parallel:
            out.append("@parallel")
        out += ["@step" + (marks or {}).get(name, ""), "def %s(self%s):" % (name, ", inputs" if takes_inputs else "")]
        out += ["    " + (next_call(after) if after else "pass"), ""]
    return "\n".join(out)


def next_call(after):
    if " ? " in after:
        cases, _, condition = after.partition(" ? ")
        return "self.next({%s}, condition='%s')" % (", ".join("%s: self.%s" % case for case in _CASE.findall(cases)), condition)
    for sign, keyword in (" * ", "foreach='%s'"), (" | ", "num_parallel=%s"):
        target, found, argument = after.partition(sign)
        if found:
            return "self.next(self.%s, %s)" % (target, keyword % argument)
    return "self.next(%s)" % ", ".join("self." + target for target in after.split(", "))


def graph(shape):
    """By step: type, next steps, whether it takes inputs, whether it is a gang's."""
    every = list(lines(shape))
    parallel = {after.split(" | ")[0] for _, _, after in every if " | " in after}
    out = {}
    for i, (takes_inputs, name, after) in enumerate(every):
        targets = [case[1] for case in _CASE.findall(after)] or re.findall(r"\w+", re.split(r" [*|] ", after)[0])
        kinds = ((" ? ", "split-switch"), (" * ", "split-foreach"), (" | ", "split-parallel"), (", ", "split-static"))
        plain = "end" if not after else "start" if i == 0 else "join" if takes_inputs else "linear"
        kind = next((kind for sign, kind in kinds if sign in after), plain)
        out[name] = (kind, targets, takes_inputs, name in parallel)
    return out


def of_definition(definition):
    return {s["name"]: (s["type"], s["next"], s.get("join", False), s.get("parallel", False)) for s in definition["steps"]}
