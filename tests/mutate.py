#!/usr/bin/env python3
"""What script/mutate does; see there."""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

# The tests that are to see a mutant, the quickest first.
TESTS = {
    "src/evaluate.c": ["test_evaluate", "test_check"],
    "src/evidence.c": ["test_evidence", "test_evaluate", "test_check", "test_stamp"],
    "src/stamp_trust.c": ["test_stamp", "test_check"],
    "client/lib/target.c": ["test_target", "test_target_set", "test_waiter"],
    "client/lib/opinion.c": ["test_opinion"],
}
COMPARED = {"==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"]}
EQUIVALENT = "tests/mutants.equivalent"
COMPILER = ["gcc", "-std=gnu11", "-w", "-O0", "-D_GNU_SOURCE", "-Ibuild", "-I.", "-Iinclude", "-pthread"]
ARCHIVES = ["build/libdaemon.a", "build/libclient.a", "build/libprogram.a", "build/libcommon.a"]
LIBRARIES = ["-levent_core", "-lcheck_pic", "-lrt", "-lm", "-lsubunit", "-lpthread"]


def blank_comments(text):
    return re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.S)


def matching(text, at):
    """The index of the parenthesis that closes the one at this index."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError("unbalanced")


def code_of(text):
    """The indices that belong to code: not to comments, strings, includes and definitions of magic numbers."""
    bare = blank_comments(text)
    bare = re.sub(r'"[^"\n]*"', lambda match: " " * len(match.group()), bare)
    bare = re.sub(r"^#include.*$|^#define MAGIC_.*$", lambda match: " " * len(match.group()), bare, flags=re.M)
    return bare


def edits_of(text):
    """(begin, end, replacement) of each mutant."""
    code = code_of(text)
    for match in re.finditer(r"(?<![-<>=!&|])(==|!=|<=|>=|<|>)(?![<>=])", code):
        for other in COMPARED[match.group()]:
            yield match.start(), match.end(), other
    for match in re.finditer(r"&&|\|\|", code):
        yield match.start(), match.end(), "||" if match.group() == "&&" else "&&"
    for match in re.finditer(r"\bif \(", code):
        begin = match.end() - 1
        end = matching(code, begin)
        yield begin, end + 1, "(!" + text[begin:end + 1] + ")"
    for match in re.finditer(r"!(?=[a-z(])", code):
        yield match.start(), match.end(), ""
    for match in re.finditer(r"\breturn (?!true;|false;|-?\d+;)([^;]+);", code):
        if re.search(r"&&|\|\||[!<>=]=|[<>]", match.group(1)):
            yield match.start(1), match.end(1), "!(" + text[match.start(1):match.end(1)] + ")"
    for match in re.finditer(r"\b(true|false)\b", code):
        yield match.start(), match.end(), "false" if match.group() == "true" else "true"
    for match in re.finditer(r"(?<![\w.])\d+(?=[LlUu]*\b)", code):
        yield match.start(), match.end(), str(int(match.group()) + 1)
    for match in re.finditer(r"(?<=[\w)] )[-+](?= [\w(])", code):
        yield match.start(), match.end(), "+" if match.group() == "-" else "-"
    for match in re.finditer(r"(?<== )-(?=\w)|(?<=< )-(?=\w)", code):
        yield match.start(), match.end(), ""
    yield from statements(text, code)
    yield from constants(text, code)


def statements(text, code):
    """Each statement on its own, without declarations and returns."""
    for match in re.finditer(r"^\t+(?!return|break|case|default|if|else|switch|for|static|const|struct|bool|int|enum|unsigned"
                             r"|int64_t|uint64_t|dev_t|ino_t)[^\n;{}]*(\n[^\n;{}]*)*?;$", code, flags=re.M):
        if re.search(r"=|\(", match.group()) and not re.match(r"\t+[a-z_]+:", match.group()):
            begin = match.start() + len(match.group()) - len(match.group().lstrip())
            yield begin, match.end(), ";"
    for match in re.finditer(r"^\s*\[[A-Z_]+\] = \{([A-Z_, ]+)\}", code, flags=re.M):
        for word in re.finditer(r"[A-Z_]+", match.group(1)):
            begin = match.start(1) + word.start()
            yield begin, match.start(1) + word.end(), other_cell(word.group(), match.group(1).split(", "))


def other_cell(word, row):
    """In a table of phases or of subscriptions."""
    if any(other in ("W", "U", "D") for other in row):
        return {"W": "U", "U": "W", "D": "W", "NEVER": "W"}[word]
    return {"KEEP": "SUBSCRIPTION_WAIT", "NEVER": "KEEP"}.get(word, "KEEP")


# An enumerator becomes its neighbour.
NEIGHBOURS = [
    ["READYD_READY", "READYD_PENDING", "READYD_DIED", "READYD_EXITED", "READYD_STALE", "READYD_UNREACHABLE"],
    ["EVIDENCE_OWN", "EVIDENCE_ASSUMED", "EVIDENCE_UNDATED", "EVIDENCE_NAMELESS", "EVIDENCE_LEFTOVER",
     "EVIDENCE_FOREIGN", "EVIDENCE_AMBIGUOUS"],
    ["AGE_YOUNGER", "AGE_CLOSE", "AGE_OLDER", "AGE_UNKNOWN"],
    ["MARKER_FILE", "MARKER_ABSENT"],
    ["TARGET_SAW_NOTHING", "TARGET_SAW_DOUBT", "TARGET_SAW_END"],
    ["STAMP_CLOCK_KERNEL", "STAMP_CLOCK_LAYER", "STAMP_CLOCK_OTHER"],
    ["READYD_REASON_NONE", "READYD_REASON_AGE_UNKNOWN", "READYD_REASON_IDENTITY_UNKNOWN", "READYD_REASON_OLDER",
     "READYD_REASON_FOREIGN_OWNER", "READYD_REASON_NAME_COLLISION", "READYD_REASON_NO_PROCESS",
     "READYD_REASON_PID_REUSED", "READYD_REASON_CAME_AND_WENT", "READYD_REASON_LOOK_FAILED",
     "READYD_REASON_NO_RESOURCES", "READYD_REASON_DIRECTORY_HANGS"],
]


def constants(text, code):
    """Not in the labels of a switch, where two would be the same, and not in the table of a target."""
    for words in NEIGHBOURS:
        for i, word in enumerate(words):
            for match in re.finditer(rf"(?<!case )(?<!\[)\b{word}\b", code):
                if not re.search(r"^enum", code[code.rfind("\n", 0, match.start()) + 1:match.start()]) and \
                        not re.match(r"[,;]?\s*\n?\t?AGE_|, /\*", text[match.end():]):
                    yield match.start(), match.end(), words[(i + 1) % len(words)]


class Mutant:
    def __init__(self, path, text, edit):
        begin, end, new = edit
        self.path, self.text = path, text[:begin] + new + text[end:]
        self.line = text.count("\n", 0, begin) + 1
        first, last = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
        self.ordinal = ""
        self.before, self.after = (" ".join(part.split()) for part in
                                   (text[first:last], text[first:begin] + new + text[end:last]))

    def key(self):
        """Where a file has the same line twice, the second one has a number."""
        return f"{self.path}\t{self.before}{self.ordinal}\t{self.after}"


def run(command, seconds):
    """Whether it succeeds in time."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def link(objects, output, *options):
    return run(["gcc", *options, "-o", output, *objects, "-Wl,--start-group", *ARCHIVES, "-Wl,--end-group",
                *LIBRARIES], 120)


def survives(mutant, schedules):
    """Which test sees it; "": none."""
    with tempfile.TemporaryDirectory(prefix="readyd-mutant.") as place:
        source, target = f"{place}/{os.path.basename(mutant.path)}", f"{place}/mutant.o"
        with open(source, "w", encoding="ascii") as file:
            file.write(mutant.text)
        if not run([*COMPILER, "-c", "-o", target, source], 120):
            return "compiler"
        for test in TESTS[mutant.path]:
            if not link([f"build/tests/{test}.o", target], f"{place}/test"):
                sys.exit(f"tests/mutate.py: {test} cannot be linked with {mutant.path}")
            if not run([f"{place}/test"], 60):
                return test
        objects = [f"build/tests/sim/{name}" for name in os.listdir("build/tests/sim") if name.endswith(".o")]
        objects = [name for name in objects if "/broken" not in name]
        if not link([*objects, target], f"{place}/sim", "-Wl,@tests/sim/wrapped"):
            sys.exit("tests/mutate.py: the simulator cannot be linked")
        return "" if run([f"{place}/sim", "--schedules", str(schedules)], 300) else "simulator"


def read_equivalent():
    with open(EQUIVALENT, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    return {line.rsplit("\t", 1)[0] for line in lines}


def mutants_of(path):
    with open(path, encoding="ascii") as file:
        text = file.read()
    found, keys = {}, {}
    for edit in sorted(set(edits_of(text))):
        mutant = Mutant(path, text, edit)
        if mutant.text != text:
            found.setdefault(mutant.text, mutant)
    for mutant in found.values():
        keys[mutant.key()] = keys.get(mutant.key(), 0) + 1
        mutant.ordinal = f" #{keys[mutant.key()]}" if keys[mutant.key()] > 1 else ""
    return list(found.values())


def build():
    tests = sorted({f"tests/{test}" for tests in TESTS.values() for test in tests})
    subprocess.run(["make", "-C", "build", "-s", *tests, "tests/sim/sim"], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("files", nargs="*", default=list(TESTS))
    options = parser.parse_args()
    os.chdir(f"{os.path.dirname(os.path.abspath(__file__))}/..")
    mutants = [mutant for path in options.files for mutant in mutants_of(path)]
    if options.list:
        print("\n".join(f"{m.path}:{m.line}: {m.before}  ->  {m.after}" for m in mutants))
        return 0
    build()
    equivalent, counts, bad = read_equivalent(), {}, 0
    tried = [mutant for mutant in mutants if mutant.key() not in equivalent]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, seen in zip(tried, pool.map(lambda m: survives(m, options.schedules), tried)):
            counts[seen or "none"] = counts.get(seen or "none", 0) + 1
            if not seen:
                bad += 1
                print(f"{mutant.path}:{mutant.line}: survives\n{mutant.key()}", flush=True)
    print(f"mutants={len(mutants)} equivalent={len(mutants) - len(tried)} " +
          " ".join(f"{name}={count}" for name, count in sorted(counts.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
