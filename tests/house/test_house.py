"""The house rules that no tool checks: sizes, docstrings, purity, leftovers."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("cdc", "snapshotter", "restorer", "snowmelt")

MOST_LINES_OF_A_FILE = 299
MOST_LINES_OF_A_FUNCTION = 50
# The ratchet: "cdc/big.py" or "cdc/big.py:long_function", each with its reason. An entry that is
# no longer too long must go, so the list only gets shorter.
TOO_LONG: dict[str, str] = {}

# Spelled in two parts, or this file would be the first to break its own rule.
LEFTOVERS = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")
REGISTRIES = tuple(
    name + "." + domain
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry.npmjs", "org"),
        ("repo.maven", "apache.org"),
        ("deb.debian", "org"),
    )
)


@cache
def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _contract(name: str) -> dict[str, Any]:
    contracts = _pyproject()["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["id"] == name)


def _product_files() -> list[Path]:
    folders = (*PACKAGES, "benchmarks")
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def _relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), filename=str(file))


def _functions(file: Path) -> Iterator[tuple[str, int]]:
    """Names and lengths in lines, decorators not counted."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def _imported(file: Path) -> Iterator[str]:
    """Top-level names of what a file imports, at whatever depth the import stands."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _tracked_texts() -> Iterator[tuple[str, str]]:
    """Files git knows, with their text; a checkout without git has none to check."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    for name in filter(None, names.split("\0")):
        file = ROOT / name
        if not file.is_file():  # deleted in the work tree, or a link that leads nowhere
            continue
        try:
            yield name, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a golden file: not text
            continue


# ---------------------------------------------------------------- size


def _long_files_and_functions() -> set[str]:
    found: set[str] = set()
    for file in _product_files():
        name = _relative(file)
        if len(file.read_text().splitlines()) > MOST_LINES_OF_A_FILE:
            found.add(name)
        found |= {f"{name}:{f}" for f, n in _functions(file) if n > MOST_LINES_OF_A_FUNCTION}
    return found


def test_no_file_or_function_outgrows_the_house() -> None:
    assert _long_files_and_functions() - TOO_LONG.keys() == set()


def test_the_list_of_what_is_too_long_only_gets_shorter() -> None:
    assert TOO_LONG.keys() - _long_files_and_functions() == set()


# ---------------------------------------------------------------- words


def test_every_module_says_what_it_is() -> None:
    silent = [_relative(file) for file in _product_files() if not ast.get_docstring(_tree(file))]

    assert silent == []


def test_nothing_is_left_for_later_in_the_text() -> None:
    found = [(name, word) for name, text in _tracked_texts() for word in LEFTOVERS if word in text]

    assert found == []


def test_no_address_of_a_registry_is_committed() -> None:
    found = [(name, host) for name, text in _tracked_texts() for host in REGISTRIES if host in text]

    assert found == []


def test_no_path_of_this_checkout_is_committed() -> None:
    here = str(ROOT)
    if len(ROOT.parts) < 3:
        pytest.skip(f"{here} is too short to tell from an ordinary word")

    assert [name for name, text in _tracked_texts() if here in text] == []


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    pins = [line for line in lock.splitlines() if line and line[0] not in " #"]

    assert pins
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in lock
    assert lock.count("--hash=sha256:") >= len(pins)


# ---------------------------------------------------------------- purity


@pytest.mark.parametrize("module", _contract("pure")["source_modules"])
def test_a_pure_module_touches_nothing(module: str) -> None:
    """The contract follows imports of imports; this one also says which line to look at."""
    file = ROOT / (module.replace(".", "/") + ".py")
    assert file.is_file(), f"{module} is listed as pure in pyproject.toml and does not exist"

    assert set(_imported(file)) & set(_contract("pure")["forbidden_modules"]) == set()


def test_types_are_laid_out_while_modules_are_loaded() -> None:
    """msgspec lays a type out at its first use; two datasets that began together crashed in it."""
    calls = [
        f"{_relative(file)}:{node.lineno}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("msgspec.json.decode", "msgspec.msgpack.decode")
        and any(keyword.arg == "type" for keyword in node.keywords)
    ]

    assert calls == []


def test_dependencies_have_floors_and_no_ceilings() -> None:
    project = _pyproject()["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]

    assert [line for line in wanted if ">=" not in line] == []
    assert [line for line in wanted if "<" in line or "==" in line or "~=" in line] == []


# ---------------------------------------------------------------- suites


def _has_tests(file: Path) -> bool:
    return any(
        (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"))
        # a hypothesis state machine is a test without such a function
        or (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "TestCase"
        )
        for node in ast.walk(_tree(file))
    )


def test_every_test_file_holds_tests() -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))

    assert [_relative(file) for file in files if not _has_tests(file)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_suite(package: str) -> None:
    assert list((ROOT / "tests" / package).rglob("test_*.py"))
