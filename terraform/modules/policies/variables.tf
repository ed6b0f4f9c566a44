variable "bucket_name" {
  description = "Name of the bucket that holds the snapshots."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be the name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "prefix" {
  description = "What stands behind the bucket in snapshots.location, without slashes at its ends; empty for the bucket's top."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*)?$", var.prefix))
    error_message = "prefix must not begin or end with a slash, and must not hold characters that are wild in a policy (*, ?, $)."
  }
}

variable "datasets" {
  description = "Names of the datasets whose snapshots lie there; roles reach these and no others."
  type        = list(string)

  validation {
    condition     = length(var.datasets) > 0 && alltrue([for name in var.datasets : can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", name))])
    error_message = "datasets must name at least one dataset: letters, digits, `_`, `.` and `-`, 128 characters at most."
  }
}

variable "table_arns" {
  description = "ARNs of the tables that are followed; empty where a role reads no table."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.table_arns : can(regex("^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$", arn))])
    error_message = "table_arns must hold ARNs of tables, such as arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines, without an index or a stream."
  }
}

variable "kinesis_stream_arns" {
  description = "ARNs of the Kinesis streams of tables that are followed by `from: kinesis:TABLE`."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.kinesis_stream_arns : can(regex("^arn:[a-z-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}$", arn))])
    error_message = "kinesis_stream_arns must hold ARNs of Kinesis streams, such as arn:aws:kinesis:eu-west-1:123456789012:stream/changes."
  }
}

variable "account_id" {
  description = "Account of bucket and key."
  type        = string
  default     = "000000000000"

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region of bucket and key: the key may be used by way of S3 of this region alone."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of a region, such as eu-west-1."
  }
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"

  validation {
    condition     = can(regex("^aws(-[a-z]+)*$", var.partition))
    error_message = "partition must be aws, aws-cn, aws-us-gov or another of AWS."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the bucket; null without one."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key; an alias cannot stand in a policy."
  }
}

variable "asks_for_encryption" {
  description = "Whether snapshots.params.s3_server_side_encryption is set: such a node first writes the scratch object probe/encryption."
  type        = bool
  default     = false
}

variable "enforce_conditional_writes" {
  description = "Whether packs, manifests and catalog pages can only be written where nothing is yet."
  type        = bool
  default     = true
}

variable "reader_principal_arns" {
  description = "Principals of other accounts that may restore: roles, or an account's root."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.reader_principal_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", arn))])
    error_message = "reader_principal_arns must hold ARNs of roles, users or of an account's root; `*` is refused."
  }
}

variable "log_bucket_name" {
  description = "Name of the bucket that takes access logs; null without one."
  type        = string
  default     = null
}

variable "replica" {
  description = "Where the bucket is replicated to: bucket, its key, and the region of both."
  type = object({
    bucket_arn  = string
    kms_key_arn = string
    region      = string
  })
  default = null
}

variable "trust" {
  description = "Who may take each role: EKS Pod Identity for all clusters of the account or those named, service accounts (`namespace:name`) by IRSA, and principals such as a group of people behind a role."
  type = map(object({
    pod_identity              = optional(bool, false)
    pod_identity_cluster_arns = optional(list(string), [])
    irsa_provider_arn         = optional(string)
    irsa_service_accounts     = optional(list(string), [])
    principal_arns            = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for who in values(var.trust) : who.pod_identity || who.irsa_provider_arn != null || length(who.principal_arns) > 0])
    error_message = "Each role of trust needs somebody who may take it: pod_identity, irsa_provider_arn or principal_arns."
  }

  validation {
    condition     = alltrue([for who in values(var.trust) : (who.irsa_provider_arn == null) == (length(who.irsa_service_accounts) == 0)])
    error_message = "irsa_provider_arn and irsa_service_accounts belong together: without a service account every pod of the cluster could take the role."
  }

  validation {
    condition     = alltrue(flatten([for who in values(var.trust) : [for account in who.irsa_service_accounts : can(regex("^[a-z0-9-]+:[a-z0-9.-]+$", account))]]))
    error_message = "irsa_service_accounts must be written namespace:name, without a wildcard."
  }

  validation {
    condition     = alltrue(flatten([for who in values(var.trust) : [for arn in who.principal_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", arn))]]))
    error_message = "principal_arns must hold ARNs of roles, users or of an account's root; `*` is refused."
  }
}
