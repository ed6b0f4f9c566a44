# Of what is planned; no account is asked. tests/terraform applies it besides.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_dynamodb_table" {
    defaults = {
      arn              = "arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"
      stream_enabled   = true
      stream_view_type = "NEW_IMAGE"
    }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { id = "snapshots" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/mocked" }
  }

  mock_resource "aws_vpc_endpoint" {
    defaults = { dns_entry = [{ dns_name = "vpce-0a1b.streams.dynamodb.eu-west-1.vpce.amazonaws.com", hosted_zone_id = "Z" }] }
  }
}

variables {
  table_name         = "pipelines"
  bucket_name        = "snapshots"
  oidc_provider_arn  = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
  people_arns        = ["arn:aws:iam::123456789012:role/people"]
  vpc_id             = "vpc-0a1b2c3d"
  route_table_ids    = ["rtb-0a1b2c3d"]
  subnet_ids         = ["subnet-0a1b2c3d"]
  client_cidr_blocks = ["10.0.0.0/16"]
  alarm_topic_arns   = ["arn:aws:sns:eu-west-1:123456789012:alarms"]
}

run "the_yaml_is_whole" {
  command = apply

  assert {
    condition     = yamldecode(output.snowmelt_yaml).datasets[0].from == "dynamodb:pipelines" && yamldecode(output.snowmelt_yaml).snapshots.location == "s3://snapshots/snapshots"
    error_message = "The YAML does not name table and bucket."
  }

  assert {
    condition     = yamldecode(output.streams_endpoint_yaml).dynamodb_streams_endpoint_url == "https://vpce-0a1b.streams.dynamodb.eu-west-1.vpce.amazonaws.com"
    error_message = "Nodes are not told where the stream is."
  }
}
