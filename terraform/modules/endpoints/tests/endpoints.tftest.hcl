# Of what is planned; no account is asked.

mock_provider "aws" {}

variables {
  vpc_id             = "vpc-0a1b2c3d"
  route_table_ids    = ["rtb-0a1b2c3d"]
  subnet_ids         = ["subnet-0a1b2c3d"]
  client_cidr_blocks = ["10.0.0.0/16"]
  region             = "eu-west-1"
  bucket_name        = "snapshots"
  datasets           = ["pipelines"]
  table_arns         = ["arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"]
}

run "streams_are_reached_by_an_interface_and_the_rest_by_gateways" {
  command = plan

  assert {
    condition     = [aws_vpc_endpoint.s3.vpc_endpoint_type, aws_vpc_endpoint.dynamodb[0].vpc_endpoint_type, aws_vpc_endpoint.streams[0].vpc_endpoint_type] == ["Gateway", "Gateway", "Interface"]
    error_message = "DynamoDB Streams has interface endpoints only."
  }

  assert {
    condition     = !strcontains(aws_vpc_endpoint.s3.policy, "OtherBuckets")
    error_message = "Another bucket can be reached."
  }
}

run "other_buckets_are_read_when_named" {
  command = plan

  variables {
    other_bucket_arns = ["arn:aws:s3:::images"]
  }

  assert {
    condition     = strcontains(aws_vpc_endpoint.s3.policy, "arn:aws:s3:::images/*")
    error_message = "The other bucket cannot be reached."
  }
}

run "edges_need_no_dynamodb" {
  command = plan

  variables {
    table_arns = []
  }

  assert {
    condition     = length(aws_vpc_endpoint.dynamodb) == 0 && length(aws_vpc_endpoint.streams) == 0
    error_message = "An endpoint was made that nobody uses."
  }
}

run "the_internet_is_no_client" {
  command         = plan
  expect_failures = [var.client_cidr_blocks]

  variables {
    client_cidr_blocks = ["0.0.0.0/0"]
  }
}

run "an_endpoint_that_nobody_reaches_is_refused" {
  command         = plan
  expect_failures = [aws_security_group.streams]

  variables {
    client_cidr_blocks = []
  }
}
