# The way from the nodes to S3, DynamoDB and its streams without a NAT gateway. DynamoDB Streams has
# an interface endpoint alone, without private DNS: nodes have to be told its address.

module "policies" {
  source = "../policies"

  bucket_name = var.bucket_name
  datasets    = var.datasets
  table_arns  = var.table_arns
  region      = var.region
  partition   = var.partition
}

locals {
  follows = length(var.table_arns) > 0
  streams = local.follows && length(var.subnet_ids) > 0
  policy  = jsondecode(module.policies.endpoint_policies.s3)

  others = [for statement in [{
    Sid       = "OtherBuckets"
    Effect    = "Allow"
    Principal = { AWS = "*" }
    Action    = ["s3:GetObject"]
    Resource  = [for arn in var.other_bucket_arns : "${arn}/*"]
  }] : statement if length(var.other_bucket_arns) > 0]
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  policy            = jsonencode(merge(local.policy, { Statement = concat(local.policy.Statement, local.others) }))
  tags              = var.tags
}

resource "aws_vpc_endpoint" "dynamodb" {
  count = local.follows ? 1 : 0

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.region}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  policy            = module.policies.endpoint_policies.dynamodb
  tags              = var.tags
}

resource "aws_security_group" "streams" {
  count = local.streams ? 1 : 0

  name_prefix = "snowmelt-streams-"
  description = "HTTPS from nodes to the endpoint of DynamoDB Streams"
  vpc_id      = var.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length(var.client_cidr_blocks) > 0
      error_message = "client_cidr_blocks is empty: no node could reach the endpoint of DynamoDB Streams."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "streams" {
  for_each = local.streams ? toset(var.client_cidr_blocks) : []

  security_group_id = aws_security_group.streams[0].id
  description       = "HTTPS from nodes"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_endpoint" "streams" {
  count = local.streams ? 1 : 0

  vpc_id             = var.vpc_id
  service_name       = "com.amazonaws.${var.region}.dynamodb-streams"
  vpc_endpoint_type  = "Interface"
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.streams[0].id]
  policy             = module.policies.endpoint_policies.streams
  tags               = var.tags
}
