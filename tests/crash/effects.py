"""The crash points of the product: every call that makes something last, found in its source.

A commit, checkpoint, sync, rename, link, deletion or write of an object is an effect. `sites` lists
the calls of this kind by reading the source; `install` makes an importer that puts a gate around
each of them while a module is loaded, so that a process can count them and die at one, before or
behind it. Nothing of this is in the product, and no list is kept by hand: a new call is a new
crash point.
"""

import ast
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("cdc", "snapshotter", "restorer", "snowmelt")
# The demonstration is a program of its own, on a file of its own that it throws away.
_LEFT_OUT = ("snowmelt.demo",)

# By name and number of positional arguments, so that `str.replace` is no rename and the `put` of a
# queue no write.
_FILE = {"fsync": (1,), "rename": (1, 2), "replace": (1,), "link": (2,), "rmdir": (0, 1)}
_FILE |= {"unlink": (0, 1), "rmtree": (1,), "ftruncate": (2,), "pwritev": (3,)}
_OBJECT = {"put": (2,), "put_if_absent": (2,), "put_if_match": (3,), "delete": (1,)}
_OBJECT |= {"put_object": (0,), "delete_object": (0,), "pipe_file": (2,), "rm_file": (1,)}
_METHODS = {**_FILE, **_OBJECT, "commit": (0,)}
_STATEMENTS = ("COMMIT", "CHECKPOINT", "PRAGMA wal_checkpoint")
_GATE = "__effect__"


@dataclass(frozen=True, order=True)
class Site:
    """A call in the product. `name` is its function and what it does, counted if there are more."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


def sites() -> list[Site]:
    """Every crash point of the product."""
    found: list[Site] = []
    for module, path in _sources():
        gates = _Gates(module)
        gates.visit(ast.parse(path.read_text()))
        found += gates.sites
    return sorted(found)


def modules() -> list[str]:
    """Every module of the product that can be loaded without being run."""
    return [module for module, _ in _sources() if not module.endswith("__")]


def _sources() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if not module.startswith(_LEFT_OUT):
                yield module, path


class _Gates(ast.NodeTransformer):
    """Turns `f(x)` into `__effect__("site", f)(x)` where the call is an effect."""

    def __init__(self, module: str) -> None:
        self.sites: list[Site] = []
        self._module = module
        self._scope: list[str] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._scoped(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._scoped(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        effect = _effect(node)
        if effect is None:
            return node
        site = self._site(effect)
        gate = ast.Call(ast.Name(_GATE, ast.Load()), [ast.Constant(str(site)), node.func], [])
        node.func = ast.copy_location(gate, node.func)
        ast.fix_missing_locations(node)
        return node

    def _scoped(self, node: ast.ClassDef | ast.FunctionDef) -> ast.AST:
        self._scope.append(node.name)
        self.generic_visit(node)
        self._scope.pop()
        return node

    def _site(self, effect: str) -> Site:
        name = ".".join([*self._scope, effect])
        number = sum(site.name.partition("#")[0] == name for site in self.sites) + 1
        site = Site(self._module, name if number == 1 else f"{name}#{number}")
        self.sites.append(site)
        return site


def _effect(node: ast.Call) -> str | None:
    if not isinstance(node.func, ast.Attribute):
        return None
    name = node.func.attr
    if name == "execute" and node.args:
        text = ast.unparse(node.args[0]).lstrip("f").strip("'\"")
        return next((word for word in _STATEMENTS if text.startswith(word)), None)
    if len(node.args) not in _METHODS.get(name, ()):
        return None
    if name == "delete" and not ast.unparse(node.func.value).endswith("store"):
        return None
    return name


# ---------------------------------------------------------------- in the process that is to die


class _Importer(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in PACKAGES or name.startswith(_LEFT_OUT):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def path_stats(self, path: str) -> Any:
        raise OSError("never from the cache, which holds the module without gates")

    def source_to_code(  # type: ignore[override]
        self, data: Any, path: Any, *, _optimize: int = -1
    ) -> CodeType:
        tree = _Gates(self.name).visit(ast.parse(data))
        code: CodeType = compile(tree, path, "exec", optimize=_optimize)
        return code


def install() -> None:
    """From now on modules of the product are loaded with a gate around each effect."""
    import builtins

    sys.meta_path.insert(0, _Importer())
    setattr(builtins, _GATE, _gate)


@dataclass
class _Armed:
    """What this process is to do at its gates. `trace`: a descriptor that is appended to."""

    trace: int = -1
    at: str = ""
    countdown: int = 0
    noting: threading.Lock = field(default_factory=threading.Lock)


_armed = _Armed()


def arm(trace: Path, at: str = "", countdown: int = 1) -> None:
    """Write every passed gate to `trace`; die at the `countdown`-th passing of one of them.

    `at` is `before` or `behind`, a space, and the site.
    """
    descriptor = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    _armed.trace, _armed.at, _armed.countdown = descriptor, at, countdown


def note(line: str) -> None:
    """Add a line to the trace; one write, so that it is whole whoever else writes."""
    if _armed.trace >= 0:
        with _armed.noting:
            _write(line)


def _write(line: str) -> None:
    os.write(_armed.trace, f"{line}\n".encode())


def _gate(site: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def gated(*args: Any, **options: Any) -> Any:
        _pass(f"before {site}")
        result = call(*args, **options)
        _pass(f"behind {site}")
        return result

    return gated


def _pass(gate: str) -> None:
    if gate == _armed.at:
        with _armed.noting:  # threads pass a gate at once: one of them has to see the zero
            _armed.countdown -= 1
            if _armed.countdown == 0:
                _write(f"killed {gate}")
                os.kill(os.getpid(), signal.SIGKILL)
                # What other threads still do until the signal comes is not this life's.
                signal.pause()
    note(gate)


def passed(trace: Path) -> Iterator[str]:
    """The gates that processes with this trace passed, in order; the last may be `killed ...`."""
    yield from trace.read_text().splitlines() if trace.exists() else ()
