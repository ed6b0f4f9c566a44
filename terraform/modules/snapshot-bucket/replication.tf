# A copy in a second region or account. Deletions are not carried: what the janitor deletes here
# stays there until the janitor of the copy deletes it.

resource "aws_iam_role" "replication" {
  count = var.replica == null ? 0 : 1

  name_prefix        = "snowmelt-replication-"
  assume_role_policy = module.policies.replication_trust_policy
  tags               = var.tags
}

resource "aws_iam_role_policy" "replication" {
  count = var.replica == null ? 0 : 1

  name   = "replication"
  role   = aws_iam_role.replication[0].id
  policy = module.policies.replication_policy
}

resource "aws_s3_bucket_replication_configuration" "this" {
  count = var.replica == null ? 0 : 1

  bucket = aws_s3_bucket.this.id
  role   = aws_iam_role.replication[0].arn

  rule {
    id       = "all"
    priority = 0
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Disabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket  = var.replica.bucket_arn
      account = var.replica.account_id

      encryption_configuration {
        replica_kms_key_id = var.replica.kms_key_arn
      }

      dynamic "access_control_translation" {
        for_each = var.replica.account_id == null ? [] : [1]

        content {
          owner = "Destination"
        }
      }

      # Within 15 minutes, and a metric for when it is not.
      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this, aws_iam_role_policy.replication]
}
