# What each role may do, derived from the calls that the code makes. Nothing is deleted but by the
# janitor (and by doctor its own scratch objects). No role may change a bucket or a stream, and none
# but the selftest's a table.

locals {
  # S3 says 404 for a missing object only to who may list there; to others "nothing was published
  # yet" would look like a refusal.
  list = {
    Sid       = "List"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = { StringLike = { "s3:prefix" = [for home in local.homes : "${home}/*"] } }
  }

  read = {
    Sid      = "Read"
    Effect   = "Allow"
    Action   = ["s3:GetObject"]
    Resource = local.all
  }

  decrypt = {
    Sid       = "Decrypt"
    Effect    = "Allow"
    Action    = ["kms:Decrypt"]
    Resource  = local.keys
    Condition = local.by_s3
  }

  encrypt = {
    Sid       = "Encrypt"
    Effect    = "Allow"
    Action    = ["kms:GenerateDataKey"]
    Resource  = local.keys
    Condition = local.by_s3
  }

  # The pointer, and pages of the catalog that get too long for it.
  mark = {
    Sid      = "Mark"
    Effect   = "Allow"
    Action   = ["s3:PutObject"]
    Resource = concat(local.pointers, local.pages, local.encryption)
  }

  table = {
    Sid      = "ReadTable"
    Effect   = "Allow"
    Action   = ["dynamodb:DescribeTable", "dynamodb:Scan"]
    Resource = var.table_arns
  }

  stream = {
    Sid      = "ReadStream"
    Effect   = "Allow"
    Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    Resource = local.streams
  }

  # What doctor looks at: whether objects are kept, encrypted, and out of everybody's reach.
  settings = [
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
  ]

  statements = {
    stream_reader = [local.table, local.stream]

    kinesis_reader = [
      {
        Sid    = "ReadTable"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeKinesisStreamingDestination",
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:Scan",
        ]
        Resource = var.table_arns
      },
      {
        Sid    = "ReadKinesis"
        Effect = "Allow"
        Action = [
          "kinesis:DescribeStreamSummary",
          "kinesis:GetRecords",
          "kinesis:GetShardIterator",
          "kinesis:ListShards",
        ]
        Resource = var.kinesis_stream_arns
      },
    ]

    # The only one that writes to a table: an item of its own, which it takes back.
    selftest = [
      {
        Sid      = "Canary"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:PutItem"]
        Resource = var.table_arns
      },
    ]

    # Publishes, and prunes by condemning; deletes nothing. What it follows is another policy.
    writer = [
      local.list,
      local.read,
      {
        Sid    = "Publish"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = concat(
          local.names, local.pointers, local.leases, local.pages, local.manifests, local.packs,
          local.encryption,
        )
      },
      local.decrypt,
      local.encrypt,
    ]

    reader = [local.list, local.read, local.decrypt]

    janitor = [
      local.list,
      {
        Sid      = "ReadPointer"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = concat(local.names, local.pointers)
      },
      {
        Sid      = "Sweep"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject"]
        Resource = concat(local.packs, local.manifests, local.pages)
      },
      local.decrypt,
    ]

    auditor = [local.list, local.read, local.mark, local.decrypt, local.encrypt]

    # Marks, holds and goes back as the auditor may; restores as of an instant, from versions that
    # were replaced or deleted since; and brings back a pointer, a lease or a name of them.
    dr_operator = [
      local.list,
      local.read,
      local.mark,
      {
        Sid      = "BringBack"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = concat(local.leases, local.names)
      },
      {
        Sid      = "ReadVersions"
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersion"]
        Resource = local.all
      },
      {
        Sid       = "ListVersions"
        Effect    = "Allow"
        Action    = ["s3:ListBucketVersions"]
        Resource  = [local.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = [for home in local.homes : "${home}/*"] } }
      },
      local.decrypt,
      local.encrypt,
    ]

    doctor = [
      {
        Sid       = "ListScratch"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = ["${local.root}probe/*"] } }
      },
      {
        Sid      = "TryScratch"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = local.scratch
      },
      {
        Sid      = "ReadSettings"
        Effect   = "Allow"
        Action   = local.settings
        Resource = [local.bucket_arn]
      },
      local.decrypt,
      local.encrypt,
    ]
  }

  # A statement about nothing is no statement; a policy without any denies all.
  roles = {
    for role, statements in local.statements : role => {
      Version   = "2012-10-17"
      Statement = [for statement in statements : statement if length(statement.Resource) > 0]
    }
  }

  # The most that a role of Snowmelt can have, whatever is attached to it.
  boundary = {
    Version = "2012-10-17"
    Statement = [
      for text in distinct([
        for statement in flatten([for role in values(local.roles) : [for each in role.Statement : jsonencode({ for key, value in each : key => value if key != "Sid" })]]) : statement
      ]) : jsondecode(text)
    ]
  }
}
