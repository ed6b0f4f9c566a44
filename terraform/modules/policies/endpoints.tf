# What may pass the endpoints of a VPC: this bucket, these tables, and their streams; nothing else.

locals {
  endpoint_policies = {
    s3 = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "Snapshots"
          Effect    = "Allow"
          Principal = local.everyone
          Action    = ["s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
          Resource  = ["${local.bucket_arn}/*"]
        },
        {
          Sid       = "Bucket"
          Effect    = "Allow"
          Principal = local.everyone
          Action    = concat(["s3:ListBucket", "s3:ListBucketVersions"], local.settings)
          Resource  = [local.bucket_arn]
        },
      ]
    }

    dynamodb = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "Tables"
          Effect    = "Allow"
          Principal = local.everyone
          Action = [
            "dynamodb:DeleteItem",
            "dynamodb:DescribeKinesisStreamingDestination",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
          ]
          Resource = var.table_arns
        },
      ]
    }

    streams = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "Streams"
          Effect    = "Allow"
          Principal = local.everyone
          Action    = local.stream.Action
          Resource  = local.streams
        },
      ]
    }
  }
}
