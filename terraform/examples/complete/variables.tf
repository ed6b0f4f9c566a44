variable "region" {
  description = "Region of table, bucket and nodes."
  type        = string
  default     = "eu-west-1"
}

variable "table_name" {
  description = "The table that is followed."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket that is made."
  type        = string
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider, for IRSA."
  type        = string
}

variable "people_arns" {
  description = "Principals of the people who audit and who go back."
  type        = list(string)
}

variable "vpc_id" {
  description = "The VPC of the nodes."
  type        = string
}

variable "route_table_ids" {
  description = "Route tables of the nodes' subnets."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Subnets for the interface endpoint of DynamoDB Streams."
  type        = list(string)
}

variable "client_cidr_blocks" {
  description = "Addresses of the nodes."
  type        = list(string)
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear the alarms."
  type        = list(string)
}

variable "force_destroy" {
  description = "Whether `destroy` deletes buckets that hold snapshots or access logs."
  type        = bool
  default     = false
}
