# The bucket and its key. Rules of a lifecycle reach what is not current any more and nothing else:
# the oldest packs are the most alive.

data "aws_caller_identity" "this" {}

locals {
  account_id = data.aws_caller_identity.this.account_id
  log_bucket = coalesce(var.log_bucket_name, "${var.bucket_name}-logs")
  root       = var.prefix == "" ? "" : "${var.prefix}/"
  homes      = { for dataset in var.datasets : dataset => "${local.root}${dataset}" }

  replaced = merge([
    for dataset, home in local.homes : {
      "${dataset}-pointer" = "${home}/head.json"
      "${dataset}-lease"   = "${home}/lease.json"
    }
  ]...)
  deleted = var.deleted_versions_days == null ? {} : merge([
    for dataset, home in local.homes : {
      for folder in ["catalog", "packs", "snapshots"] : "${dataset}-${folder}" => "${home}/${folder}/"
    }
  ]...)
}

module "policies" {
  source = "../policies"

  bucket_name                = var.bucket_name
  prefix                     = var.prefix
  datasets                   = var.datasets
  account_id                 = local.account_id
  region                     = var.region
  partition                  = var.partition
  kms_key_arn                = aws_kms_key.this.arn
  enforce_conditional_writes = var.enforce_conditional_writes
  reader_principal_arns      = var.reader_principal_arns
  log_bucket_name            = local.log_bucket
  replica                    = var.replica
}

# Of the key alone: it is made before its ARN can stand in a policy.
module "key_policy" {
  source = "../policies"

  bucket_name           = var.bucket_name
  datasets              = var.datasets
  account_id            = local.account_id
  region                = var.region
  partition             = var.partition
  reader_principal_arns = var.reader_principal_arns
}

resource "aws_kms_key" "this" {
  description             = "Snapshots in ${var.bucket_name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.key_deletion_days
  policy                  = module.key_policy.key_policy
  tags                    = var.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.bucket_name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:a second region is asked for by the variable replica; without one a table in one region has its snapshots there
  bucket              = var.bucket_name
  force_destroy       = var.force_destroy
  object_lock_enabled = var.object_lock_days != null
  tags                = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = module.policies.bucket_policy

  # S3 refuses two of these at one time.
  depends_on = [aws_s3_bucket_public_access_block.this, aws_s3_bucket_ownership_controls.this]
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count  = var.object_lock_days == null ? 0 : 1
  bucket = aws_s3_bucket.this.id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.object_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  dynamic "rule" {
    for_each = local.replaced

    content {
      id     = "replaced-${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = var.pointer_versions_days
      }
    }
  }

  dynamic "rule" {
    for_each = local.deleted

    content {
      id     = "deleted-${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = var.deleted_versions_days
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_notification" "this" {
  bucket      = aws_s3_bucket.this.id
  eventbridge = true
}

resource "aws_s3_bucket_logging" "this" {
  bucket        = aws_s3_bucket.this.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "${var.bucket_name}/"

  # S3 tries whether it may deliver.
  depends_on = [aws_s3_bucket_policy.logs]
}
