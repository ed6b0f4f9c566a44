"""The modules by Terraform's own word: formatted, valid, tested; their READMEs; checkov."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from snowmelt import config_file
from tests.deploy.checkov import checkov
from tests.terraform import applied, readme, rendering
from tests.terraform.terraform import (
    TERRAFORM,
    copied,
    initialised,
    needs_provider,
    plugin_dir,
    run,
    succeeded,
    together,
)

pytestmark = pytest.mark.timeout(1200)

MODULES = [path.relative_to(TERRAFORM).as_posix() for path in readme.modules()]
_MOST_SKIPS = 5


def is_offline(module: str) -> bool:
    return not needs_provider(TERRAFORM / module)


@pytest.fixture(scope="module", autouse=True)
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[applied.Applied] | None]:
    """Begun with the first test of this file; None where terraform cannot do it."""
    try:
        plugin_dir()
    except pytest.skip.Exception:
        yield None
    else:
        begun = applied.begin(tmp_path_factory.mktemp("complete"))
        yield begun
        begun.exception()  # what it started ends before the file does


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All modules and examples as one, because to load the provider takes seconds."""
    return together(tmp_path_factory.mktemp("together"))


def test_everything_is_formatted() -> None:
    ended = run(TERRAFORM, "fmt", "-check", "-recursive", "-diff", "-no-color")

    assert ended.returncode == 0, ended.stdout


def test_all_modules_and_examples_are_valid(root: Path) -> None:
    assert "The configuration is valid" in succeeded(root, "validate", "-no-color")


def test_all_modules_and_examples_pass_their_tests(root: Path) -> None:
    said = succeeded(root, "test", "-no-color")

    assert ", 0 failed" in said
    for module in MODULES:
        name = f"tests/{Path(module).name}.tftest.hcl"
        runs = said.partition(f"{name}... in progress")[2].partition(f"{name}... tearing down")[0]
        assert runs.count("... pass") > 0, f"{module} has no tests"


@pytest.mark.parametrize("module", [each for each in MODULES if is_offline(each)])
def test_a_module_without_a_provider_is_valid_and_tested_where_there_is_none(
    module: str, tmp_path: Path
) -> None:
    folder = initialised(copied(tmp_path) / module)

    assert "The configuration is valid" in succeeded(folder, "validate", "-no-color")
    assert ", 0 failed" in succeeded(folder, "test", "-no-color")


@pytest.mark.soak
@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_valid_and_passes_its_tests_alone(module: str, tmp_path: Path) -> None:
    folder = initialised(copied(tmp_path) / module)

    assert "The configuration is valid" in succeeded(folder, "validate", "-no-color")
    assert ", 0 failed" in succeeded(folder, "test", "-no-color")


def test_the_policies_that_the_roles_are_tried_with_are_those_of_terraform(tmp_path: Path) -> None:
    assert rendering.rendered() == rendering.render(tmp_path), (
        "write them anew: python -m tests.terraform.rendering"
    )


# ---------------------------------------------------------------- without terraform


@pytest.mark.parametrize("module", MODULES)
def test_the_tables_of_a_readme_are_as_written_from_the_module(module: str) -> None:
    found = (TERRAFORM / module / "README.md").read_text()

    assert found == readme.written(TERRAFORM / module), "python -m tests.terraform.readme"


@pytest.mark.parametrize("module", MODULES)
def test_variables_are_typed_and_described_and_outputs_described(module: str) -> None:
    found = readme.blocks(TERRAFORM / module)

    assert {each.kind for each in found} == {"variable", "output"}
    for each in found:
        assert each.description.endswith("."), f"{each.kind} {each.name} has no description"
        assert each.kind == "output" or "type" in each.members, f"variable {each.name} has no type"


def test_the_readme_names_every_module() -> None:
    text = (TERRAFORM / "README.md").read_text()

    assert [module for module in MODULES if f"({module})" not in text] == []


def test_policies_of_the_readme_are_those_that_there_are() -> None:
    text = (TERRAFORM / "modules" / "policies" / "README.md").read_text()
    rows = [
        line.split("`")[1] for line in text.partition("<!--")[0].splitlines() if line[:3] == "| `"
    ]

    assert sorted(rows) == sorted(rendering.role_policies())


def test_checkov_finds_nothing_and_few_things_are_skipped() -> None:
    report = checkov("terraform", TERRAFORM)

    assert report.failed == (), "\n".join(map(str, report.failed))
    assert report.passed > 50
    assert report.without_reason == ()
    assert report.not_to_be_skipped == ()
    assert len(report.skipped) <= _MOST_SKIPS, "\n".join(map(str, report.skipped))


# ---------------------------------------------------------------- on moto


def test_the_complete_example_is_applied_planned_again_without_a_difference_and_destroyed(
    complete: Future[applied.Applied] | None,
) -> None:
    if complete is None:
        plugin_dir()  # skips, and says why
        return
    result = complete.result()

    assert result.replanned == 0, result.difference
    assert {"snowmelt-complete", "snowmelt-complete-logs"} <= set(result.buckets)
    assert not any(name.startswith("snowmelt-complete") for name in result.left)
    text = result.outputs["snowmelt_yaml"]
    loaded = config_file.parse(text, {}, "the output snowmelt_yaml")
    assert loaded.config.datasets[0].source.endswith(rendering.DATASET)
    assert loaded.warnings == ()
