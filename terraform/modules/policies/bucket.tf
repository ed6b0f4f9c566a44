# What bucket and key refuse whoever asks, and what they grant to other accounts.

locals {
  replica  = var.replica == null ? { bucket_arn = "", kms_key_arn = "", region = "" } : var.replica
  any      = "*"
  everyone = { AWS = local.any }

  encrypted_wrongly = [for statement in [
    {
      Sid       = "DenyOtherEncryption"
      Effect    = "Deny"
      Principal = local.everyone
      Action    = ["s3:PutObject"]
      Resource  = ["${local.bucket_arn}/*"]
      # Who names no encryption gets the bucket's.
      Condition = {
        StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        Null            = { "s3:x-amz-server-side-encryption" = "false" }
      }
    },
    {
      Sid       = "DenyOtherKey"
      Effect    = "Deny"
      Principal = local.everyone
      Action    = ["s3:PutObject"]
      Resource  = ["${local.bucket_arn}/*"]
      Condition = {
        StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
        Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
      }
    },
    {
      Sid       = "DenyKeyOfTheClient"
      Effect    = "Deny"
      Principal = local.everyone
      Action    = ["s3:PutObject"]
      Resource  = ["${local.bucket_arn}/*"]
      Condition = { Null = { "s3:x-amz-server-side-encryption-customer-algorithm" = "false" } }
    },
  ] : statement if var.kms_key_arn != null]

  tls = {
    for bucket, arn in { snapshots = local.bucket_arn, logs = "arn:${var.partition}:s3:::${coalesce(var.log_bucket_name, "none")}" } : bucket => [
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = local.everyone
        Action    = ["s3:*"]
        Resource  = [arn, "${arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DenyOldTls"
        Effect    = "Deny"
        Principal = local.everyone
        Action    = ["s3:*"]
        Resource  = [arn, "${arn}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  }

  conditional = [for statement in [
    {
      Sid       = "DenyOverwriting"
      Effect    = "Deny"
      Principal = local.everyone
      Action    = ["s3:PutObject"]
      Resource  = local.immutable
      # The parts of a multipart upload carry no condition, its completion does.
      Condition = {
        Null = { "s3:if-none-match" = "true" }
        Bool = { "s3:ObjectCreationOperation" = "true" }
      }
    },
  ] : statement if var.enforce_conditional_writes]

  shared = [for statement in [
    {
      Sid       = "ReadFromOtherAccounts"
      Effect    = "Allow"
      Principal = { AWS = var.reader_principal_arns }
      Action    = ["s3:GetObject"]
      Resource  = local.all
    },
    {
      Sid       = "ListFromOtherAccounts"
      Effect    = "Allow"
      Principal = { AWS = var.reader_principal_arns }
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = { StringLike = { "s3:prefix" = [for home in local.homes : "${home}/*"] } }
    },
  ] : statement if length(var.reader_principal_arns) > 0]

  bucket_policy = {
    Version   = "2012-10-17"
    Statement = concat(local.tls.snapshots, local.encrypted_wrongly, local.conditional, local.shared)
  }

  log_bucket_policy = {
    Version = "2012-10-17"
    Statement = concat(local.tls.logs, [
      {
        Sid       = "TakeAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = "arn:${var.partition}:s3:::${coalesce(var.log_bucket_name, "none")}/*"
        Condition = {
          ArnLike      = { "aws:SourceArn" = local.bucket_arn }
          StringEquals = { "aws:SourceAccount" = var.account_id }
        }
      },
    ])
  }

  key_policy = {
    Version = "2012-10-17"
    Statement = concat(
      [
        # Without it nobody could ever administer the key; roles get theirs by their own policies.
        {
          Sid       = "AccountDecides"
          Effect    = "Allow"
          Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
          Action    = ["kms:*"]
          Resource  = [local.any]
        },
        {
          Sid       = "LogDelivery"
          Effect    = "Allow"
          Principal = { Service = "logging.s3.amazonaws.com" }
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = [local.any]
          Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
        },
      ],
      [for statement in [
        {
          Sid       = "ReadFromOtherAccounts"
          Effect    = "Allow"
          Principal = { AWS = var.reader_principal_arns }
          Action    = ["kms:Decrypt"]
          Resource  = [local.any]
          Condition = local.by_s3
        },
      ] : statement if length(var.reader_principal_arns) > 0],
    )
  }

  # What S3 itself does to carry objects to the replica.
  replication_policy = {
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ReadSource"
          Effect   = "Allow"
          Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
          Resource = [local.bucket_arn]
        },
        {
          Sid    = "ReadObjects"
          Effect = "Allow"
          Action = [
            "s3:GetObjectVersionAcl",
            "s3:GetObjectVersionForReplication",
            "s3:GetObjectVersionTagging",
          ]
          Resource = ["${local.bucket_arn}/*"]
        },
        {
          Sid      = "WriteReplica"
          Effect   = "Allow"
          Action   = ["s3:ReplicateObject", "s3:ReplicateTags"]
          Resource = ["${local.replica.bucket_arn}/*"]
        },
        {
          Sid       = "EncryptReplica"
          Effect    = "Allow"
          Action    = ["kms:Encrypt"]
          Resource  = [local.replica.kms_key_arn]
          Condition = { StringEquals = { "kms:ViaService" = "s3.${local.replica.region}.amazonaws.com" } }
        },
      ],
      [for statement in [
        {
          Sid       = "DecryptSource"
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = local.keys
          Condition = local.by_s3
        },
      ] : statement if var.kms_key_arn != null],
    )
  }
}
