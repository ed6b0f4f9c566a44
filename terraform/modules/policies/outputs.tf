output "role_policies" {
  description = "What each role may do, as JSON: stream_reader, kinesis_reader, writer, reader, janitor, auditor, dr_operator, doctor, selftest."
  value       = { for role, policy in local.roles : role => jsonencode(policy) }
}

output "boundary_policy" {
  description = "The most that a role may have, as JSON: for a permissions boundary."
  value       = jsonencode(local.boundary)
}

output "trust_policies" {
  description = "Who may take each role of `trust`, as JSON."
  value       = { for role, policy in local.trust_policies : role => jsonencode(policy) }
}

output "bucket_policy" {
  description = "The bucket's policy, as JSON."
  value       = jsonencode(local.bucket_policy)
}

output "log_bucket_policy" {
  description = "The policy of the bucket for access logs, as JSON; null without one."
  value       = var.log_bucket_name == null ? null : jsonencode(local.log_bucket_policy)
}

output "key_policy" {
  description = "The policy of the key that encrypts the bucket, as JSON."
  value       = jsonencode(local.key_policy)
}

output "replication_policy" {
  description = "What S3 may do to replicate the bucket, as JSON; null without a replica."
  value       = var.replica == null ? null : jsonencode(local.replication_policy)
}

output "replication_trust_policy" {
  description = "Who may take the role of the replication, as JSON: S3."
  value       = jsonencode(local.replication_trust)
}

output "endpoint_policies" {
  description = "What may pass the endpoints of a VPC, as JSON: s3, dynamodb, streams."
  value       = { for service, policy in local.endpoint_policies : service => jsonencode(policy) }
}
