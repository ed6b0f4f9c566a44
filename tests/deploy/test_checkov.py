"""The rules for checkov's findings are kept by a reader that can tell."""

from pathlib import Path

from tests.deploy.checkov import checkov

_BUCKET = """
resource "aws_s3_bucket" "logs" {
  #checkov:skip=CKV_AWS_18:these are the access logs
  #checkov:skip=CKV_AWS_145:no reason is good enough for this one
  #checkov:skip=CKV_AWS_144
  bucket = "logs"
}
"""


def test_skips_without_a_reason_and_skips_of_encryption_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(_BUCKET)

    report = checkov("terraform", tmp_path)

    assert report.passed > 0
    assert "CKV2_AWS_6" in {each.check for each in report.failed}  # public access
    assert {each.check for each in report.skipped} == {"CKV_AWS_18", "CKV_AWS_144", "CKV_AWS_145"}
    assert [each.check for each in report.without_reason] == ["CKV_AWS_144"]
    assert [each.check for each in report.not_to_be_skipped] == ["CKV_AWS_145"]
