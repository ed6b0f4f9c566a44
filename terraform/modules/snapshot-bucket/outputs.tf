output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id

  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "bucket_arn" {
  description = "ARN of the bucket; for `replica` of another one only once versioning is on."
  value       = aws_s3_bucket.this.arn

  depends_on = [aws_s3_bucket_versioning.this]
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts the bucket."
  value       = aws_kms_key.this.arn
}

output "location" {
  description = "The value of snapshots.location."
  value       = "s3://${aws_s3_bucket.this.id}${var.prefix == "" ? "" : "/${var.prefix}"}"
}

output "snowmelt_yaml" {
  description = "The section `snapshots` of snowmelt.yaml, ready to paste."
  value       = <<-YAML
    snapshots:
      location: s3://${aws_s3_bucket.this.id}${var.prefix == "" ? "" : "/${var.prefix}"}
      params:
        s3_region: ${var.region}
        s3_expected_bucket_owner: "${local.account_id}"
  YAML
}
