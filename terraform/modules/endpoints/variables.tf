variable "vpc_id" {
  description = "The VPC of the nodes."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be the id of a VPC, such as vpc-0a1b2c3d."
  }
}

variable "route_table_ids" {
  description = "Route tables of the nodes' subnets: S3 and DynamoDB are reached by gateways, which cost nothing."
  type        = list(string)

  validation {
    condition     = length(var.route_table_ids) > 0
    error_message = "route_table_ids must name at least one table, else nothing goes through the gateways."
  }
}

variable "subnet_ids" {
  description = "Subnets for the interface endpoint of DynamoDB Streams, one for each zone; empty where no node follows a stream by itself."
  type        = list(string)
  default     = []
}

variable "client_cidr_blocks" {
  description = "Addresses of nodes that may reach the interface endpoint."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.client_cidr_blocks : can(cidrhost(block, 0)) && !endswith(block, "/0")])
    error_message = "client_cidr_blocks must hold blocks of addresses of the VPC; the whole internet is refused."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "bucket_name" {
  description = "Name of the bucket that holds the snapshots: no other is reached through the gateway."
  type        = string
}

variable "datasets" {
  description = "Names of the datasets whose snapshots lie there."
  type        = list(string)
}

variable "table_arns" {
  description = "ARNs of the tables that are followed: no others are reached through the gateway. Empty makes no endpoint of DynamoDB."
  type        = list(string)
  default     = []
}

variable "other_bucket_arns" {
  description = "ARNs of other buckets that the VPC needs, such as those of container images; they may be read."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
