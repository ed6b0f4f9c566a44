# Who may take a role.

locals {
  issuers = { for role, who in var.trust : role => try(split("oidc-provider/", who.irsa_provider_arn)[1], "") }
  ways = {
    for role, who in var.trust : role => compact([
      who.pod_identity ? "PodIdentity" : "",
      who.irsa_provider_arn == null ? "" : "ServiceAccounts",
      length(who.principal_arns) == 0 ? "" : "Principals",
    ])
  }

  trust_policies = {
    for role, who in var.trust : role => {
      Version = "2012-10-17"
      Statement = [
        for statement in [
          {
            Sid       = "PodIdentity"
            Effect    = "Allow"
            Principal = { Service = "pods.eks.amazonaws.com" }
            Action    = ["sts:AssumeRole", "sts:TagSession"]
            Condition = {
              for operator, operands in {
                StringEquals = { "aws:SourceAccount" = [var.account_id] }
                ArnEquals    = { "aws:SourceArn" = who.pod_identity_cluster_arns }
              } : operator => operands if length(values(operands)[0]) > 0
            }
          },
          {
            Sid       = "ServiceAccounts"
            Effect    = "Allow"
            Principal = { Federated = who.irsa_provider_arn }
            Action    = ["sts:AssumeRoleWithWebIdentity"]
            Condition = {
              StringEquals = {
                "${local.issuers[role]}:aud" = "sts.amazonaws.com"
                "${local.issuers[role]}:sub" = [for account in who.irsa_service_accounts : "system:serviceaccount:${account}"]
              }
            }
          },
          {
            Sid       = "Principals"
            Effect    = "Allow"
            Principal = { AWS = who.principal_arns }
            Action    = ["sts:AssumeRole"]
          },
        ] : statement if contains(local.ways[role], statement.Sid)
      ]
    }
  }

  replication_trust = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Replication"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = ["sts:AssumeRole"]
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
    ]
  }
}
