# Of what is planned; no account is asked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c" }
  }
}

variables {
  bucket_name = "snapshots"
  prefix      = "prod"
  datasets    = ["pipelines"]
  region      = "eu-west-1"
}

run "no_rule_reaches_what_is_current" {
  command = apply

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : length(rule.expiration) == 0 && length(rule.transition) == 0 && length(rule.noncurrent_version_transition) == 0
    ])
    error_message = "A rule deletes or moves what is current, or archives."
  }

  assert {
    condition = toset([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if length(rule.noncurrent_version_expiration) > 0
    ]) == toset(["prod/pipelines/head.json", "prod/pipelines/lease.json"])
    error_message = "By default versions of pointer and lease alone expire."
  }
}

run "what_the_janitor_deleted_goes_when_asked_for" {
  command = apply

  variables {
    deleted_versions_days = 30
  }

  assert {
    condition = toset([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if length(rule.noncurrent_version_expiration) > 0 && startswith(rule.id, "deleted-")
    ]) == toset(["prod/pipelines/catalog/", "prod/pipelines/packs/", "prod/pipelines/snapshots/"])
    error_message = "What was deleted is kept for ever."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : length(rule.expiration) == 0])
    error_message = "A rule deletes what is current."
  }
}

run "everything_is_encrypted_and_nothing_public" {
  command = apply

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "The key is not rotated, or each object asks for it."
  }

  assert {
    condition = alltrue(flatten([
      for block in [aws_s3_bucket_public_access_block.this, aws_s3_bucket_public_access_block.logs] : [block.block_public_acls, block.block_public_policy, block.ignore_public_acls, block.restrict_public_buckets]
    ]))
    error_message = "Something could be made public."
  }

  assert {
    condition     = length(aws_s3_bucket_replication_configuration.this) == 0 && length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "Replication or object lock came without being asked for."
  }
}

run "a_replica_and_a_lock_come_when_asked_for" {
  command = apply

  variables {
    object_lock_days = 7
    replica = {
      bucket_arn  = "arn:aws:s3:::copy"
      kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/9a8b"
      region      = "eu-central-1"
    }
  }

  override_resource {
    target = aws_iam_role.replication[0]
    values = { arn = "arn:aws:iam::123456789012:role/replication" }
  }

  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && one(aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention).mode == "GOVERNANCE"
    error_message = "The lock is not as asked for."
  }

  assert {
    condition     = one(aws_s3_bucket_replication_configuration.this[0].rule).delete_marker_replication[0].status == "Disabled"
    error_message = "Deletions would be carried to the replica."
  }
}

run "a_dotted_name_is_refused" {
  command         = plan
  expect_failures = [var.bucket_name]

  variables {
    bucket_name = "my.snapshots"
  }
}
