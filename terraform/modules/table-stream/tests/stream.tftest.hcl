# Of a table whose stream is not as it has to be.

mock_provider "aws" {}

variables {
  table_name = "pipelines"
  region     = "eu-west-1"
}

run "a_stream_with_new_images_will_do" {
  command = plan

  override_data {
    target = data.aws_dynamodb_table.this
    values = { stream_enabled = true, stream_view_type = "NEW_IMAGE" }
  }

  assert {
    condition     = strcontains(output.snowmelt_yaml, "from: dynamodb:pipelines")
    error_message = "The YAML does not name the table."
  }
}

run "a_stream_that_is_off_ends_the_plan" {
  command         = plan
  expect_failures = [data.aws_dynamodb_table.this]

  override_data {
    target = data.aws_dynamodb_table.this
    values = { stream_enabled = false, stream_view_type = "" }
  }
}

run "a_stream_without_images_ends_the_plan" {
  command         = plan
  expect_failures = [data.aws_dynamodb_table.this]

  override_data {
    target = data.aws_dynamodb_table.this
    values = { stream_enabled = true, stream_view_type = "KEYS_ONLY" }
  }
}
