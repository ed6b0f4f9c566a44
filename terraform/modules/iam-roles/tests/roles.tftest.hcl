# Of what is planned; no account is asked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/snowmelt-boundary" }
  }
}

variables {
  bucket_name = "snapshots"
  datasets    = ["pipelines"]
  table_arns  = ["arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"]
  region      = "eu-west-1"
  roles       = { central = { policies = ["writer", "stream_reader"], pod_identity = true } }
}

run "each_role_is_bounded" {
  command = apply

  assert {
    condition     = aws_iam_role.this["central"].permissions_boundary == "arn:aws:iam::123456789012:policy/snowmelt-boundary"
    error_message = "The role has no boundary."
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy.this)) == toset(["central-writer", "central-stream_reader"])
    error_message = "The role lacks a policy."
  }
}

run "a_boundary_of_one_s_own_is_taken" {
  command = apply

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/ours"
  }

  assert {
    condition     = aws_iam_role.this["central"].permissions_boundary == "arn:aws:iam::123456789012:policy/ours" && length(aws_iam_policy.boundary) == 0
    error_message = "The boundary that was named is not used."
  }
}

run "who_publishes_may_not_delete" {
  command         = plan
  expect_failures = [var.roles]

  variables {
    roles = { central = { policies = ["writer", "janitor"], pod_identity = true } }
  }
}

run "a_policy_that_there_is_not_is_refused" {
  command         = plan
  expect_failures = [var.roles]

  variables {
    roles = { central = { policies = ["admin"], pod_identity = true } }
  }
}

run "a_policy_that_would_allow_nothing_is_refused" {
  command         = plan
  expect_failures = [aws_iam_role_policy.this]

  variables {
    table_arns = []
  }
}
