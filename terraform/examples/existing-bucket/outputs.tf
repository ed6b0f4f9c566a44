output "role_policies" {
  description = "What each role may do, as JSON."
  value       = module.policies.role_policies
}

output "bucket_policy" {
  description = "Statements for the bucket's policy, as JSON: to be merged with what is there."
  value       = module.policies.bucket_policy
}

output "key_policy" {
  description = "Statements for the key's policy, as JSON: to be merged with what is there."
  value       = module.policies.key_policy
}

output "snowmelt_yaml" {
  description = "The section `snapshots` of snowmelt.yaml, ready to paste."
  value       = <<-YAML
    snapshots:
      location: s3://${var.bucket_name}${var.prefix == "" ? "" : "/${var.prefix}"}
      params:
        s3_region: ${var.region}
        s3_expected_bucket_owner: "${var.account_id}"
  YAML
}
