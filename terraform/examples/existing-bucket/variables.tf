variable "bucket_name" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "What stands behind the bucket in snapshots.location."
  type        = string
  default     = "snowmelt"
}

variable "datasets" {
  description = "Names of the datasets."
  type        = list(string)
}

variable "table_arns" {
  description = "ARNs of the tables that are followed."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "ARN of the bucket's key; null without one."
  type        = string
  default     = null
}

variable "account_id" {
  description = "Account of the bucket."
  type        = string
}

variable "region" {
  description = "Region of the bucket."
  type        = string
}

variable "reader_principal_arns" {
  description = "Principals of other accounts that may restore."
  type        = list(string)
  default     = []
}
