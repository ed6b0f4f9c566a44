# One role for each kind of work. All containers of a pod share a role, so who publishes and who
# restores are different workloads.

data "aws_caller_identity" "this" {}

module "policies" {
  source = "../policies"

  bucket_name         = var.bucket_name
  prefix              = var.prefix
  datasets            = var.datasets
  table_arns          = var.table_arns
  kinesis_stream_arns = var.kinesis_stream_arns
  kms_key_arn         = var.kms_key_arn
  asks_for_encryption = var.asks_for_encryption
  account_id          = data.aws_caller_identity.this.account_id
  region              = var.region
  partition           = var.partition

  trust = {
    for role, what in var.roles : role => {
      pod_identity              = what.pod_identity
      pod_identity_cluster_arns = what.pod_identity_cluster_arns
      irsa_provider_arn         = what.irsa_provider_arn
      irsa_service_accounts     = what.irsa_service_accounts
      principal_arns            = what.principal_arns
    }
  }
}

locals {
  attached = merge([
    for role, what in var.roles : {
      for policy in what.policies : "${role}-${policy}" => { role = role, policy = policy }
    }
  ]...)
}

resource "aws_iam_policy" "boundary" {
  count = var.permissions_boundary_arn == null ? 1 : 0

  name        = "${var.name_prefix}-boundary"
  description = "The most that a role of Snowmelt may have"
  policy      = module.policies.boundary_policy
  tags        = var.tags
}

resource "aws_iam_role" "this" {
  for_each = var.roles

  name                 = "${var.name_prefix}-${each.key}"
  description          = "Snowmelt: ${join(", ", each.value.policies)}"
  assume_role_policy   = module.policies.trust_policies[each.key]
  permissions_boundary = coalesce(var.permissions_boundary_arn, try(aws_iam_policy.boundary[0].arn, null))
  max_session_duration = var.max_session_hours * 3600
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  for_each = local.attached

  name   = each.value.policy
  role   = aws_iam_role.this[each.value.role].id
  policy = module.policies.role_policies[each.value.policy]

  lifecycle {
    precondition {
      condition     = length(jsondecode(module.policies.role_policies[each.value.policy]).Statement) > 0
      error_message = "Role ${each.value.role} is given the policy ${each.value.policy}, which would allow nothing: name table_arns or kinesis_stream_arns."
    }
  }
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = var.associations

  cluster_name    = each.value.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = aws_iam_role.this[each.value.role].arn
  tags            = var.tags
}
