output "role_arns" {
  description = "ARN of each role of the first region."
  value       = module.roles.role_arns
}

output "second_role_arns" {
  description = "ARN of each role of the second region."
  value       = module.second_roles.role_arns
}

output "second_snowmelt_yaml" {
  description = "The section `snapshots` of nodes in the second region, ready to paste."
  value       = module.copy.snowmelt_yaml
}

output "snowmelt_yaml" {
  description = "The section `snapshots` of nodes in the first region, ready to paste."
  value       = module.bucket.snowmelt_yaml
}
