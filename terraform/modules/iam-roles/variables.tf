variable "name_prefix" {
  description = "What the names of the roles begin with: PREFIX-ROLE."
  type        = string
  default     = "snowmelt"

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,40}$", var.name_prefix))
    error_message = "name_prefix must be 1 to 40 characters that a role's name may have."
  }
}

variable "roles" {
  description = "The roles that are made: what each may do (policies of module policies: stream_reader, kinesis_reader, writer, reader, janitor, auditor, dr_operator, doctor, selftest) and who may take it."
  type = map(object({
    policies                  = list(string)
    pod_identity              = optional(bool, false)
    pod_identity_cluster_arns = optional(list(string), [])
    irsa_provider_arn         = optional(string)
    irsa_service_accounts     = optional(list(string), [])
    principal_arns            = optional(list(string), [])
  }))

  validation {
    condition = alltrue(flatten([
      for role in values(var.roles) : [
        for policy in role.policies : contains(["stream_reader", "kinesis_reader", "writer", "reader", "janitor", "auditor", "dr_operator", "doctor", "selftest"], policy)
      ]
    ]))
    error_message = "roles names a policy that there is not; there are stream_reader, kinesis_reader, writer, reader, janitor, auditor, dr_operator, doctor and selftest."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : !(contains(role.policies, "writer") && contains(role.policies, "janitor"))])
    error_message = "No role may both publish and delete: who takes over a node that publishes could delete its snapshots. Let prune --only sweep run under a role of its own."
  }
}

variable "associations" {
  description = "Service accounts of EKS clusters that take a role by Pod Identity. A pod that has IRSA as well uses that: never set both."
  type = map(object({
    role            = string
    cluster_name    = string
    namespace       = string
    service_account = string
  }))
  default = {}
}

variable "permissions_boundary_arn" {
  description = "ARN of a policy that bounds the roles; null makes one of the most that Snowmelt needs."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy."
  }
}

variable "max_session_hours" {
  description = "How long a session of a role lasts at most."
  type        = number
  default     = 1

  validation {
    condition     = var.max_session_hours >= 1 && var.max_session_hours <= 12
    error_message = "max_session_hours must be 1 to 12."
  }
}

variable "bucket_name" {
  description = "Name of the bucket that holds the snapshots."
  type        = string
}

variable "prefix" {
  description = "What stands behind the bucket in snapshots.location, without slashes at its ends; empty for the bucket's top."
  type        = string
  default     = ""
}

variable "datasets" {
  description = "Names of the datasets whose snapshots lie there; roles reach these and no others."
  type        = list(string)
}

variable "table_arns" {
  description = "ARNs of the tables that are followed."
  type        = list(string)
  default     = []
}

variable "kinesis_stream_arns" {
  description = "ARNs of the Kinesis streams of tables that are followed by `from: kinesis:TABLE`."
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the bucket; null without one."
  type        = string
  default     = null
}

variable "asks_for_encryption" {
  description = "Whether snapshots.params.s3_server_side_encryption is set."
  type        = bool
  default     = false
}

variable "region" {
  description = "Region of bucket and key."
  type        = string
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
