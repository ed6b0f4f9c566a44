output "role_arns" {
  description = "ARN of each role."
  value       = { for role, made in aws_iam_role.this : role => made.arn }
}

output "boundary_arn" {
  description = "ARN of the policy that bounds the roles."
  value       = coalesce(var.permissions_boundary_arn, try(aws_iam_policy.boundary[0].arn, null))
}

output "service_account_annotations" {
  description = "For IRSA: the annotation of each role's service account, ready to paste into its manifest."
  value = {
    for role, what in var.roles : role => "eks.amazonaws.com/role-arn: ${aws_iam_role.this[role].arn}" if what.irsa_provider_arn != null
  }
}
