"""The runbook has an answer to each alert, exit code and message, in the form that it promises."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.observability.rules import ROOT, rules

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
MANUAL = (ROOT / "docs" / "operating.md").read_text()
CODES = [f"Exit code {code}" for code in range(15)] + ["Exit codes from 128 on"]
MESSAGES = [
    "ProvisionedThroughputExceededException",
    "TrimmedDataAccessException",
    "AccessDeniedException on DescribeStream",
    "ResourceNotFoundException",
    "The stream is not enabled",
    "Another region",
    "Pod Identity and IRSA",
    "A dataset stays in error after a restart",
    "A refresh or load is too fast for the table",
]


def entries(chapter: str) -> Mapping[str, str]:
    """Text by heading, of one chapter of the runbook."""
    text = RUNBOOK.partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def anchor(heading: str) -> str:
    """As the page of a repository makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "")).lower()
    return kept.replace(" ", "-")


def anchors(text: str) -> set[str]:
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {anchor(title) for title in re.findall(r"^#+ (.+)$", outside, re.MULTILINE)}


def test_each_alert_has_an_entry_and_each_entry_an_alert() -> None:
    assert list(entries("Alerts")) == list(rules())


@pytest.mark.parametrize("alert", list(rules()))
def test_an_alert_points_to_its_entry(alert: str) -> None:
    url = rules()[alert]["annotations"]["runbook_url"]

    assert url == f"docs/runbook.md#{anchor(alert)}"
    assert anchor(alert) in anchors(RUNBOOK)


@pytest.mark.parametrize("alert", list(rules()))
def test_an_entry_shows_the_state_first_then_decides_then_says_if_a_retry_helps(
    alert: str,
) -> None:
    text = entries("Alerts")[alert]
    look, retry = text.find("```sh\n"), text.find("- A retry: ")
    decide = min(at for at in (text.find("\n- "), text.find("\n| ")) if at >= 0)

    assert 0 < look < decide < retry, text
    assert "\n" not in text[retry:].strip(), "the retry is the last line"


@pytest.mark.parametrize("code", CODES)
def test_each_exit_code_has_an_entry_that_says_if_a_retry_helps(code: str) -> None:
    assert re.search(r"\bA retry: ", " ".join(entries("Exit codes")[code].split()))


def test_each_message_that_users_meet_has_an_entry() -> None:
    assert list(entries("Exit codes")) == CODES
    assert list(entries("Messages")) == MESSAGES


def test_the_manual_lists_the_alerts_with_their_severity() -> None:
    section = MANUAL.partition("\n## When an alert fires\n")[2].partition("\n## ")[0]
    told = re.findall(
        r"^\| \[(\w+)\]\(runbook\.md#(\w+)\) \| (\w+) \| .+ \|$", section, re.MULTILINE
    )

    assert told == [
        (alert, anchor(alert), rule["labels"]["severity"]) for alert, rule in rules().items()
    ]


@pytest.mark.parametrize("page", ["runbook.md", "operating.md"])
def test_links_lead_somewhere(page: str) -> None:
    texts = {"runbook.md": RUNBOOK, "operating.md": MANUAL}
    links = re.findall(r"\]\(((?:runbook|operating)\.md)?#([^)]+)\)", texts[page])

    assert links
    for other, place in links:
        assert place in anchors(texts[other or page]), (page, other, place)
