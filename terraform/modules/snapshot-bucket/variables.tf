variable "bucket_name" {
  description = "Name of the bucket that is made for the snapshots."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lower-case letters, digits and hyphens; a dot would break TLS."
  }
}

variable "prefix" {
  description = "What stands behind the bucket in snapshots.location, without slashes at its ends; empty for the bucket's top."
  type        = string
  default     = ""
}

variable "datasets" {
  description = "Names of the datasets whose snapshots lie there."
  type        = list(string)
}

variable "region" {
  description = "Region of the provider, and so of bucket and key."
  type        = string
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "key_deletion_days" {
  description = "How long the key can be brought back after it was deleted; without it no snapshot can be read."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_days >= 7 && var.key_deletion_days <= 30
    error_message = "key_deletion_days must be 7 to 30."
  }
}

variable "reader_principal_arns" {
  description = "Principals of other accounts that may restore: roles, or an account's root. They need policies of their own besides."
  type        = list(string)
  default     = []
}

variable "enforce_conditional_writes" {
  description = "Whether packs, manifests and catalog pages can only be written where nothing is yet."
  type        = bool
  default     = true
}

variable "pointer_versions_days" {
  description = "How long replaced versions of pointer and lease are kept: the time in which a person may bring one back."
  type        = number
  default     = 7

  validation {
    condition     = var.pointer_versions_days >= 1
    error_message = "pointer_versions_days must be at least 1."
  }
}

variable "deleted_versions_days" {
  description = "How long what the janitor deleted can be brought back; null for ever, and then pruning frees nothing and a deleted item of the table is never gone from the bucket."
  type        = number
  default     = null

  validation {
    condition     = var.deleted_versions_days == null || try(var.deleted_versions_days >= 1, false)
    error_message = "deleted_versions_days must be at least 1, or null."
  }
}

variable "object_lock_days" {
  description = "How long nobody may delete a version (mode GOVERNANCE), as the bucket's default; null without. Pointer and lease get a locked version with each write: the lease one each 10 seconds."
  type        = number
  default     = null

  validation {
    condition     = var.object_lock_days == null || try(var.object_lock_days >= 1 && var.object_lock_days <= 365, false)
    error_message = "object_lock_days must be 1 to 365, or null."
  }
}

variable "log_bucket_name" {
  description = "Name of the bucket that is made for access logs; null makes BUCKET-logs."
  type        = string
  default     = null
}

variable "log_days" {
  description = "How long access logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.log_days >= 1
    error_message = "log_days must be at least 1."
  }
}

variable "replica" {
  description = "A bucket of this module in a second region or account that objects are carried to: bucket, its key, its region, and the account if it is another one. Deletions are not carried."
  type = object({
    bucket_arn  = string
    kms_key_arn = string
    region      = string
    account_id  = optional(string)
  })
  default = null
}

variable "force_destroy" {
  description = "Whether `destroy` deletes a bucket that holds snapshots."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
