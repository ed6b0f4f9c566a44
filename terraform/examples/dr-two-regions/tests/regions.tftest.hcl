# Of what is planned; no account is asked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mocked" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/mocked" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }
}

mock_provider "aws" {
  alias = "second"

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/9a8b" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mocked-copy" }
  }
}

variables {
  bucket_name       = "snapshots"
  datasets          = ["pipelines"]
  table_arns        = ["arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"]
  second_table_arns = ["arn:aws:dynamodb:eu-central-1:123456789012:table/pipelines"]
  people_arns       = ["arn:aws:iam::123456789012:role/people"]
}

run "both_regions_are_ready" {
  command = apply

  assert {
    condition     = keys(output.second_role_arns) == ["dr-operator", "reader", "writer"]
    error_message = "A role of the second region is missing."
  }

  assert {
    condition     = yamldecode(output.second_snowmelt_yaml).snapshots.params.s3_region == "eu-central-1"
    error_message = "Nodes of the second region are sent to the first."
  }
}

run "one_region_is_not_two" {
  command         = plan
  expect_failures = [var.second_region]

  variables {
    second_region = "eu-west-1"
  }
}
