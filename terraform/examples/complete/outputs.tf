output "role_arns" {
  description = "ARN of each role."
  value       = module.roles.role_arns
}

output "service_account_annotations" {
  description = "Annotations of service accounts that use IRSA."
  value       = module.roles.service_account_annotations
}

output "streams_endpoint_yaml" {
  description = "The member of `params` for nodes in this VPC."
  value       = module.endpoints.snowmelt_yaml
}

output "snowmelt_yaml" {
  description = "snowmelt.yaml of the central node, ready to paste."
  value       = "version: v1\n${module.bucket.snowmelt_yaml}${module.table.snowmelt_yaml}"
}
